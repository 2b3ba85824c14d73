# The web process: no torch. Build from the checkout: docker build -f docker/web.Dockerfile .
FROM python:3.11-slim
WORKDIR /app
RUN useradd --create-home --uid 1001 oneshot
COPY pyproject.toml README.md constraints.txt ./
COPY backend ./backend
RUN pip install --no-cache-dir --constraint constraints.txt '.[web]'
USER oneshot
ENV ONESHOT_HOST=0.0.0.0 ONESHOT_PORT=9090 PYTHONUNBUFFERED=1
EXPOSE 9090
# With basic auth /health answers 401 without credentials; that is an answer too.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", "import http.client; c = http.client.HTTPConnection('127.0.0.1', 9090, timeout=2); c.request('GET', '/health'); raise SystemExit(c.getresponse().status not in (200, 401))"]
CMD ["oneshot", "web"]
