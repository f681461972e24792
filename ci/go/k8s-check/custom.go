package main

import (
	"context"
	"path/filepath"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	apiservercel "k8s.io/apiserver/pkg/apis/cel"
	strictyaml "sigs.k8s.io/yaml"
)

// customKind checks objects of a kind that a CustomResourceDefinition makes.
type customKind struct {
	schema    *schema.Structural
	validator validation.SchemaValidator
}

// customKinds has them by "group/version/kind".
type customKinds map[string]customKind

func readCustomKinds(folder string) (customKinds, error) {
	kinds := customKinds{}
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || folder == "" {
		return kinds, err
	}
	for _, file := range files {
		documents, err := documentsOf(file)
		if err != nil {
			return nil, err
		}
		for _, document := range documents {
			if err := kinds.add(document); err != nil {
				return nil, err
			}
		}
	}
	return kinds, nil
}

// add takes the served versions of a definition; any other document is left alone.
func (kinds customKinds) add(document []byte) error {
	var definition apiextensionsv1.CustomResourceDefinition
	if strictyaml.Unmarshal(document, &definition) != nil || definition.Kind != "CustomResourceDefinition" {
		return nil
	}
	for _, version := range definition.Spec.Versions {
		if !version.Served || version.Schema == nil {
			continue
		}
		kind, err := newCustomKind(version.Schema.OpenAPIV3Schema)
		if err != nil {
			return err
		}
		kinds[definition.Spec.Group+"/"+version.Name+"/"+definition.Spec.Names.Kind] = kind
	}
	return nil
}

func newCustomKind(external *apiextensionsv1.JSONSchemaProps) (kind customKind, err error) {
	var internal apiextensions.JSONSchemaProps
	if err = apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(external, &internal, nil); err != nil {
		return kind, err
	}
	if kind.schema, err = schema.NewStructural(&internal); err != nil {
		return kind, err
	}
	kind.validator, _, err = validation.NewSchemaValidator(&internal)
	return kind, err
}

func (kind customKind) check(document []byte) (problems []string) {
	json, err := strictyaml.YAMLToJSON(document)
	if err != nil {
		return []string{err.Error()}
	}
	var object map[string]any
	if err := yaml.Unmarshal(json, &object); err != nil { // whole numbers stay whole
		return []string{err.Error()}
	}
	metadata := object["metadata"]
	unknown := pruning.PruneWithOptions(object, kind.schema, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		problems = append(problems, "unknown field "+path)
	}
	object["metadata"] = metadata
	defaulting.Default(object, kind.schema)

	errors := validation.ValidateCustomResource(nil, object, kind.validator)
	errors = append(errors, listtype.ValidateListSetsAndMaps(nil, kind.schema, object)...)
	if rules := cel.NewValidator(kind.schema, true, apiservercel.PerCallLimit); rules != nil {
		broken, _ := rules.Validate(context.Background(), field.NewPath(""), kind.schema, object, nil, apiservercel.RuntimeCELCostBudget)
		errors = append(errors, broken...)
	}
	for _, err := range errors {
		problems = append(problems, err.Error())
	}
	return problems
}
