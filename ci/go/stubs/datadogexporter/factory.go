// Package datadogexporter stands in for the exporter "datadog", whose module cannot be had everywhere.
// It refuses a configuration of the wrong shape and an empty API key, and drops what it is sent: it proves that a file
// loads and that its pipelines are wired, never that anything reaches Datadog.
package datadogexporter

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// NewFactory makes the stand-in under the real exporter's type name.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("datadog"),
		func() component.Config {
			return &Config{
				SendingQueue:   configoptional.Some(exporterhelper.NewDefaultQueueConfig()),
				RetryOnFailure: configretry.NewDefaultBackOffConfig(),
			}
		},
		exporter.WithTraces(func(context.Context, exporter.Settings, component.Config) (exporter.Traces, error) {
			return drop{}, nil
		}, component.StabilityLevelDevelopment),
		exporter.WithMetrics(func(context.Context, exporter.Settings, component.Config) (exporter.Metrics, error) {
			return drop{}, nil
		}, component.StabilityLevelDevelopment),
		exporter.WithLogs(func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
			return drop{}, nil
		}, component.StabilityLevelDevelopment),
	)
}

type drop struct {
	component.StartFunc
	component.ShutdownFunc
}

func (drop) Capabilities() consumer.Capabilities                   { return consumer.Capabilities{} }
func (drop) ConsumeTraces(context.Context, ptrace.Traces) error    { return nil }
func (drop) ConsumeMetrics(context.Context, pmetric.Metrics) error { return nil }
func (drop) ConsumeLogs(context.Context, plog.Logs) error          { return nil }
