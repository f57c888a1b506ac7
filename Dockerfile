# One binary in an image without a shell. It is built beforehand: cargo build --release --package regent
# The base brings glibc and certificate roots, for the same Debian release or a newer one than the binary was built on.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY target/release/regent /usr/local/bin/regent
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/regent"]
