# The web process: no torch. Build from the checkout: docker build -f docker/web.Dockerfile .
FROM python:3.11-slim
WORKDIR /app
# What we depend on first: a new version of our own code then changes only the last, small layers.
COPY pyproject.toml README.md constraints.txt ./
RUN mkdir backend \
 && touch backend/__init__.py \
 && pip install --no-cache-dir --constraint constraints.txt '.[web]'
COPY backend ./backend
RUN pip install --no-cache-dir --no-deps --force-reinstall --constraint constraints.txt .
COPY docker/web_health.py ./
ENV ONESHOT_HOST=0.0.0.0 ONESHOT_PORT=9090 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
EXPOSE 9090
# A number, so that Kubernetes sees that it is not root.
USER 1001:1001
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "web_health.py"]
CMD ["oneshot", "web"]
