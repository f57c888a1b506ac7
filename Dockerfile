# One binary in an image without a shell. It is built beforehand, without the laboratory:
# cargo build --profile dist --package regent --no-default-features
# The base brings glibc and certificate roots, for the same Debian release or a newer one than the binary was built on.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY target/dist/regent /usr/local/bin/regent
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/regent"]
