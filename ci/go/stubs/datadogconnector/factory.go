// Package datadogconnector stands in for the connector "datadog", whose module cannot be had everywhere.
// It refuses a configuration of the wrong shape and passes spans on as the real one does; it computes no statistics.
package datadogconnector

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Config has the keys that the real connector documents.
type Config struct {
	Traces struct {
		IgnoreResources        []string          `mapstructure:"ignore_resources"`
		SpanNameRemappings     map[string]string `mapstructure:"span_name_remappings"`
		SpanNameAsResourceName bool              `mapstructure:"span_name_as_resource_name"`
		StatsBySpanKind        bool              `mapstructure:"compute_stats_by_span_kind"`
		TopLevelBySpanKind     bool              `mapstructure:"compute_top_level_by_span_kind"`
		PeerTagsAggregation    bool              `mapstructure:"peer_tags_aggregation"`
		PeerTags               []string          `mapstructure:"peer_tags"`
		TraceBuffer            int               `mapstructure:"trace_buffer"`
		ContainerTags          []string          `mapstructure:"resource_attributes_as_container_tags"`
		BucketInterval         time.Duration     `mapstructure:"bucket_interval"`
	} `mapstructure:"traces"`
}

// NewFactory makes the stand-in under the real connector's type name.
func NewFactory() connector.Factory {
	return connector.NewFactory(
		component.MustNewType("datadog"),
		func() component.Config { return &Config{} },
		connector.WithTracesToMetrics(func(context.Context, connector.Settings, component.Config, consumer.Metrics) (connector.Traces, error) {
			return pass{}, nil
		}, component.StabilityLevelDevelopment),
		connector.WithTracesToTraces(func(_ context.Context, _ connector.Settings, _ component.Config, next consumer.Traces) (connector.Traces, error) {
			return pass{next: next}, nil
		}, component.StabilityLevelDevelopment),
	)
}

// pass hands spans to the next pipeline, if that is one of traces.
type pass struct {
	component.StartFunc
	component.ShutdownFunc
	next consumer.Traces
}

func (pass) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (p pass) ConsumeTraces(ctx context.Context, traces ptrace.Traces) error {
	if p.next == nil {
		return nil
	}
	return p.next.ConsumeTraces(ctx, traces)
}
