# The platform. One image for all services; `coin serve SERVICE` selects the process (see docker-compose.yml).
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS dependencies
ENV PATH=/opt/coin/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python3 -m venv /opt/coin
# requirements-ray.lock adds Ray, for COIN_SWEEP_ENGINE=ray.
ARG REQUIREMENTS=requirements.lock
COPY ${REQUIREMENTS} requirements.lock
RUN pip install --no-deps --require-hashes -r requirements.lock

FROM dependencies AS wheel
COPY pyproject.toml README.md LICENSE dagster.yaml ./
COPY coin_pipeline coin_pipeline
COPY coin_api coin_api
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist .

FROM ${PYTHON_IMAGE}
# /etc/coin-container lets COIN_PUBLISHED_AT decide who reaches the servers (coin_pipeline/web/exposure.py).
RUN groupadd --gid 10001 coin && useradd --uid 10001 --gid coin --home-dir /data --no-create-home coin \
    && install --directory --owner=coin --group=coin --mode=700 /data \
    && touch /etc/coin-container
COPY --from=dependencies /opt/coin /opt/coin
COPY --from=wheel /dist /dist
# numba uses a cache only if it can write to it, so /opt/kernels is a volume that starts with the image's content.
ENV PATH=/opt/coin/bin:$PATH DATA_ROOT=/data NUMBA_CACHE_DIR=/opt/kernels HOME=/tmp PYTHONUNBUFFERED=1
# Bytecode and kernels are compiled now, because the containers' root is read-only.
RUN pip install --no-cache-dir --no-deps /dist/*.whl \
    && python -m coin_pipeline.strategies.precompile && chown -R coin:coin /opt/kernels
USER 10001:10001
WORKDIR /data
VOLUME ["/data", "/opt/kernels"]
EXPOSE 8000 3000
CMD ["coin", "serve", "--help"]
