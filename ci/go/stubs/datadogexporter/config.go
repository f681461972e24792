package datadogexporter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// Config has the keys that the real exporter documents.
type Config struct {
	API            API                                                      `mapstructure:"api"`
	Hostname       string                                                   `mapstructure:"hostname"`
	DetectHostname time.Duration                                            `mapstructure:"hostname_detection_timeout"`
	Timeout        time.Duration                                            `mapstructure:"timeout"`
	Traces         Traces                                                   `mapstructure:"traces"`
	Metrics        Metrics                                                  `mapstructure:"metrics"`
	Logs           Logs                                                     `mapstructure:"logs"`
	HostMetadata   HostMetadata                                             `mapstructure:"host_metadata"`
	OnlyMetadata   bool                                                     `mapstructure:"only_metadata"`
	SendingQueue   configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	RetryOnFailure configretry.BackOffConfig                                `mapstructure:"retry_on_failure"`
}

// API is who sends, and where to.
type API struct {
	Key              configopaque.String `mapstructure:"key"`
	Site             string              `mapstructure:"site"`
	FailOnInvalidKey bool                `mapstructure:"fail_on_invalid_key"`
}

// Traces is how spans are sent and counted.
type Traces struct {
	Endpoint               string            `mapstructure:"endpoint"`
	IgnoreResources        []string          `mapstructure:"ignore_resources"`
	SpanNameRemappings     map[string]string `mapstructure:"span_name_remappings"`
	SpanNameAsResourceName bool              `mapstructure:"span_name_as_resource_name"`
	StatsBySpanKind        bool              `mapstructure:"compute_stats_by_span_kind"`
	TopLevelBySpanKind     bool              `mapstructure:"compute_top_level_by_span_kind"`
	PeerTagsAggregation    bool              `mapstructure:"peer_tags_aggregation"`
	PeerTags               []string          `mapstructure:"peer_tags"`
	TraceBuffer            int               `mapstructure:"trace_buffer"`
}

// Metrics is how metrics are sent.
type Metrics struct {
	Endpoint        string     `mapstructure:"endpoint"`
	DeltaTTL        int64      `mapstructure:"delta_ttl"`
	ResourceAsTags  bool       `mapstructure:"resource_attributes_as_tags"`
	ScopeAsTags     bool       `mapstructure:"instrumentation_scope_metadata_as_tags"`
	WithoutHostname bool       `mapstructure:"disable_hostname"`
	Histograms      Histograms `mapstructure:"histograms"`
	Sums            Sums       `mapstructure:"sums"`
	Summaries       Summaries  `mapstructure:"summaries"`
}

// Histograms is how a histogram becomes Datadog's.
type Histograms struct {
	Mode                   string `mapstructure:"mode"`
	SendAggregationMetrics bool   `mapstructure:"send_aggregation_metrics"`
}

// Sums is how a counter becomes Datadog's.
type Sums struct {
	CumulativeMonotonicMode string `mapstructure:"cumulative_monotonic_mode"`
	InitialValue            string `mapstructure:"initial_cumulative_monotonic_value"`
}

// Summaries is how a summary becomes Datadog's.
type Summaries struct {
	Mode string `mapstructure:"mode"`
}

// Logs is how logs are sent.
type Logs struct {
	Endpoint         string `mapstructure:"endpoint"`
	UseCompression   bool   `mapstructure:"use_compression"`
	CompressionLevel int    `mapstructure:"compression_level"`
	BatchWait        int    `mapstructure:"batch_wait"`
}

// HostMetadata is what Datadog's host list is told.
type HostMetadata struct {
	Enabled        bool          `mapstructure:"enabled"`
	HostnameSource string        `mapstructure:"hostname_source"`
	ReporterPeriod time.Duration `mapstructure:"reporter_period"`
	Tags           []string      `mapstructure:"tags"`
}

// Validate refuses an empty key and a mode that the real exporter does not know.
func (c *Config) Validate() error {
	if strings.TrimSpace(string(c.API.Key)) == "" {
		return errors.New("datadog: api.key is empty")
	}
	return errors.Join(
		oneOf("metrics.histograms.mode", c.Metrics.Histograms.Mode, "distributions", "counters", "nobuckets"),
		oneOf("metrics.sums.cumulative_monotonic_mode", c.Metrics.Sums.CumulativeMonotonicMode, "to_delta", "raw_value"),
		oneOf("metrics.summaries.mode", c.Metrics.Summaries.Mode, "noquantiles", "gauges"),
		oneOf("host_metadata.hostname_source", c.HostMetadata.HostnameSource, "first_resource", "config_or_system"),
	)
}

func oneOf(key, value string, known ...string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("datadog: %s %q is not one of %q", key, value, known)
}
