# The binary and a Redis server program for its private Redis; without SECKILL__REDIS__URL it needs nothing else.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src ./src
COPY lua ./lua
COPY templates ./templates
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates redis-server \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --home-dir /var/lib/seckill seckill
COPY --from=build /src/target/release/seckill /usr/local/bin/seckill
USER seckill
WORKDIR /var/lib/seckill
VOLUME /var/lib/seckill
ENV SECKILL__HTTP__LISTEN=0.0.0.0:8080
EXPOSE 8080
# bash speaks TCP itself, so the image needs no curl.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["seckill"]
# Nothing is on sale: say `serve --demo` to try it.
CMD ["serve"]
