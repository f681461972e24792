package awsemfexporter

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// Config has the keys that the real exporter documents.
type Config struct {
	NumWorkers            int    `mapstructure:"num_workers"`
	Endpoint              string `mapstructure:"endpoint"`
	RequestTimeoutSeconds int    `mapstructure:"request_timeout_seconds"`
	MaxRetries            int    `mapstructure:"max_retries"`
	NoVerifySSL           bool   `mapstructure:"no_verify_ssl"`
	ProxyAddress          string `mapstructure:"proxy_address"`
	Region                string `mapstructure:"region"`
	LocalMode             bool   `mapstructure:"local_mode"`
	ResourceARN           string `mapstructure:"resource_arn"`
	RoleARN               string `mapstructure:"role_arn"`
	ExternalID            string `mapstructure:"external_id"`

	Namespace             string              `mapstructure:"namespace"`
	LogGroupName          string              `mapstructure:"log_group_name"`
	LogStreamName         string              `mapstructure:"log_stream_name"`
	LogRetention          int                 `mapstructure:"log_retention"`
	Tags                  map[string]string   `mapstructure:"tags"`
	DimensionRollupOption string              `mapstructure:"dimension_rollup_option"`
	DetailedMetrics       bool                `mapstructure:"detailed_metrics"`
	Version               string              `mapstructure:"version"`
	OutputDestination     string              `mapstructure:"output_destination"`
	ParseJSONAttributes   []string            `mapstructure:"parse_json_encoded_attr_values"`
	RetainInitialValue    bool                `mapstructure:"retain_initial_value_of_delta_metric"`
	MetricDeclarations    []MetricDeclaration `mapstructure:"metric_declarations"`
	MetricDescriptors     []MetricDescriptor  `mapstructure:"metric_descriptors"`
	ResourceToTelemetry   ResourceToTelemetry `mapstructure:"resource_to_telemetry_conversion"`
	EKSFargateInsights    bool                `mapstructure:"eks_fargate_container_insights_enabled"`
}

// MetricDeclaration says which dimensions the metrics of these names have.
type MetricDeclaration struct {
	Dimensions          [][]string     `mapstructure:"dimensions"`
	MetricNameSelectors []string       `mapstructure:"metric_name_selectors"`
	LabelMatchers       []LabelMatcher `mapstructure:"label_matchers"`
}

// LabelMatcher narrows a declaration to metrics with these label values.
type LabelMatcher struct {
	LabelNames []string `mapstructure:"label_names"`
	Separator  string   `mapstructure:"separator"`
	Regex      string   `mapstructure:"regex"`
}

// MetricDescriptor gives a metric the unit that CloudWatch shows.
type MetricDescriptor struct {
	MetricName string `mapstructure:"metric_name"`
	Unit       string `mapstructure:"unit"`
	Overwrite  bool   `mapstructure:"overwrite"`
}

// ResourceToTelemetry makes labels of resource attributes.
type ResourceToTelemetry struct {
	Enabled                  bool `mapstructure:"enabled"`
	ExcludeServiceAttributes bool `mapstructure:"exclude_service_attributes"`
	ClearAfterCopy           bool `mapstructure:"clear_after_copy"`
}

var (
	rollups    = []string{"", "ZeroAndSingleDimensionRollup", "SingleDimensionRollupOnly", "NoDimensionRollup"}
	outputs    = []string{"", "cloudwatch", "stdout"}
	retentions = []int{
		0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 2192, 2557, 2922, 3288, 3653,
	}
)

// Validate refuses what the real exporter refuses, and a missing region, which it would look for in the environment.
func (c *Config) Validate() error {
	if c.Region == "" {
		return errors.New("awsemf: region is empty")
	}
	if !slices.Contains(rollups, c.DimensionRollupOption) {
		return fmt.Errorf("awsemf: dimension_rollup_option %q is not one of %q", c.DimensionRollupOption, rollups[1:])
	}
	if !slices.Contains(outputs, c.OutputDestination) {
		return fmt.Errorf("awsemf: output_destination %q is not one of %q", c.OutputDestination, outputs[1:])
	}
	if !slices.Contains(retentions, c.LogRetention) {
		return fmt.Errorf("awsemf: log_retention %d is not one of %v", c.LogRetention, retentions)
	}
	for _, declaration := range c.MetricDeclarations {
		if len(declaration.MetricNameSelectors) == 0 {
			return errors.New("awsemf: a metric declaration has no metric_name_selectors")
		}
		for _, selector := range declaration.MetricNameSelectors {
			if _, err := regexp.Compile(selector); err != nil {
				return fmt.Errorf("awsemf: metric_name_selectors: %w", err)
			}
		}
		for _, matcher := range declaration.LabelMatchers {
			if len(matcher.LabelNames) == 0 || matcher.Regex == "" {
				return errors.New("awsemf: a label matcher needs label_names and regex")
			}
		}
	}
	for _, descriptor := range c.MetricDescriptors {
		if descriptor.MetricName == "" || descriptor.Unit == "" {
			return errors.New("awsemf: a metric descriptor needs metric_name and unit")
		}
	}
	return nil
}
