# The bases are arguments: a company builds on its own images. A release checks the signature of the second.
ARG NODE_IMAGE=docker.io/library/node:26.10.0-trixie-slim@sha256:930557a230abacbc3f4fd9b8648abf8f4bee1e17cb72195dcdfb2f709bc85b33
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs26-debian13:nonroot@sha256:2ee7b2c54a3e37dfc248af81c9f6bcdcaa50abe4af44aa47a3388431031b9283

# No dependency has machine code (the image's test looks), so what is built on one platform runs on every other.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS base
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

# An .npmrc for a company's registry: docker build --secret id=npmrc,src=$HOME/.npmrc
FROM base AS deps
RUN --mount=type=cache,target=/npm-cache,sharing=locked \
    --mount=type=secret,id=npmrc,target=/root/.npmrc,required=false \
    npm ci --cache /npm-cache

FROM deps AS build
COPY . .
RUN npm run build
# A checkout under a strict umask has files that uid 65532 could not read.
RUN chmod -R u=rwX,go=rX config dist migrations fastify.config.cjs package.json LICENSE && mkdir empty

FROM base AS prod-deps
RUN --mount=type=cache,target=/npm-cache,sharing=locked \
    --mount=type=secret,id=npmrc,target=/root/.npmrc,required=false \
    npm ci --omit=dev --cache /npm-cache
# Types, source maps, templates, and the tests that a package has at its root: nothing that runs. A folder of that name
# further down may be code.
RUN find node_modules -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' -o -name '*.tsbuildinfo' -o -name '*.test.js' -o -name '*.spec.js' \) -exec rm -f {} + \
 && node -e "for (const path in require('./node_modules/.package-lock.json').packages) for (const name of ['test', 'tests', '__tests__']) fs.rmSync(path + '/' + name, { recursive: true, force: true })" \
 && rm -rf node_modules/fastify-cli/templates node_modules/fastify-cli/examples \
 && rm -rf node_modules/.bin node_modules/.package-lock.json \
 && chmod -R u=rwX,go=rX node_modules

FROM ${RUNTIME_IMAGE} AS runtime
WORKDIR /app
COPY --from=prod-deps /app/node_modules node_modules
COPY --from=build /app/package.json /app/fastify.config.cjs /app/LICENSE ./
COPY --from=build /app/config/allowlist.yaml config/
COPY --from=build /app/migrations migrations
COPY --from=build /app/dist dist
# A volume that is mounted here belongs to the server's user, so that `secrets init` can fill it; the server itself writes nothing.
COPY --from=build --chown=65532:65532 /app/empty /secrets
# What is secret, and which hosts clients may name, comes from outside: without it the server refuses to boot and says what it lacks.
ENV PORTCULLIS_ENV=production HOST=0.0.0.0 PORT=8000
EXPOSE 8000
USER 65532:65532
STOPSIGNAL SIGTERM
# Each check is a start of node, 0.3 s of computing.
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --retries=3 CMD ["/nodejs/bin/node", "dist/src/healthcheck.js"]
# node itself is process 1 and gets the signal; npm would keep it.
ENTRYPOINT ["/nodejs/bin/node", "--enable-source-maps", "--import", "./dist/src/instrumentation.js", "node_modules/fastify-cli/cli.js"]
CMD ["start", "-c", "./fastify.config.cjs", "dist/src/app.js"]
# Last, so that a new version shares every layer that has not changed.
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
ARG RUNTIME_IMAGE
LABEL org.opencontainers.image.title="Portcullis" \
      org.opencontainers.image.description="An MCP tool server" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
