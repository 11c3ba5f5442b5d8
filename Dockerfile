# rat as what a container runs: docker build -t rat . && docker run -v ./crontab:/etc/rat/crontab:ro rat
# The root file system may be read-only, the user anybody, and there need be no volume; one on /var/lib/rat, with a
# directory for that user in it, keeps the history.
FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bins

FROM debian:bookworm-slim
COPY --from=build /src/target/release/ratd /src/target/release/rat /src/target/release/rat-at /usr/local/bin/
COPY --from=build /src/target/release/rat-atq /src/target/release/rat-atrm /usr/local/bin/
USER 65534
ENTRYPOINT ["ratd", "--container"]
CMD ["/etc/rat/crontab"]
HEALTHCHECK CMD ["rat", "status"]
