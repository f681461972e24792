// Package awsemfexporter stands in for the CloudWatch exporter "awsemf", whose module cannot be had everywhere.
// It refuses a configuration of the wrong shape and drops what it is sent: it proves that a file loads and that its
// pipelines are wired, never that a metric reaches CloudWatch.
package awsemfexporter

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// NewFactory makes the stand-in under the real exporter's type name.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("awsemf"),
		func() component.Config { return &Config{} },
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
func (drop) ConsumeMetrics(context.Context, pmetric.Metrics) error { return nil }
func (drop) ConsumeLogs(context.Context, plog.Logs) error          { return nil }
