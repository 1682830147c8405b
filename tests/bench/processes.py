"""What processes cost, as the operating system says."""

from pathlib import Path


def with_children(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += with_children(int(child))
    return found


def cpu_seconds(pids: list[int]) -> float:
    return sum(_cpu_seconds(pid) for pid in pids)


def memory_bytes(pids: list[int]) -> int:
    """Proportional set size: pages that processes share are counted once."""
    return sum(_memory_bytes(pid) for pid in pids)


def _cpu_seconds(pid: int) -> float:
    """To the nanosecond: /proc/<pid>/stat counts in steps of 10 ms, more than some rows take."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def _memory_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
