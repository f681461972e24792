# Every target calls npm scripts; they hold the logic.
.PHONY: install dev check test-unit test-integration test lint format clean observe-up observe-down

install:
	npm ci

dev:
	npm run dev

check: lint test-unit

test-unit:
	npm run test:unit

test-integration:
	npm run test:integration

test:
	npm test

lint:
	npm run lint
	npm run types

format:
	npm run format

clean:
	npm run clean

observe-up:
	npm run observe:up

observe-down:
	npm run observe:down
