package main

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

var restricted = api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}

// builtinKinds checks the kinds that every API server knows.
type builtinKinds struct {
	decoder   runtime.Decoder
	types     managedfields.TypeConverter
	standards policy.Evaluator
}

func newBuiltinKinds() (*builtinKinds, error) {
	standards, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	return &builtinKinds{decoder: decoder, types: applyconfigurations.NewTypeConverter(scheme.Scheme), standards: standards}, nil
}

func (kinds *builtinKinds) check(document []byte) (problems []string) {
	object, _, err := kinds.decoder.Decode(document, nil, nil)
	if err != nil {
		return []string{err.Error()}
	}
	// Two entries of a list that have the same key are refused here, as by server-side apply.
	if _, err := kinds.types.ObjectToTyped(object); err != nil {
		problems = append(problems, err.Error())
	}
	metadata, spec := podOf(object)
	if spec == nil {
		return problems
	}
	for _, result := range kinds.standards.EvaluatePod(restricted, metadata, spec) {
		if !result.Allowed {
			problems = append(problems, "not restricted: "+result.ForbiddenReason+" "+result.ForbiddenDetail)
		}
	}
	return problems
}

// podOf returns the pod that an object is, or makes others from.
func podOf(object runtime.Object) (*metav1.ObjectMeta, *corev1.PodSpec) {
	switch owner := object.(type) {
	case *corev1.Pod:
		return &owner.ObjectMeta, &owner.Spec
	case *appsv1.Deployment:
		return &owner.Spec.Template.ObjectMeta, &owner.Spec.Template.Spec
	case *batchv1.Job:
		return &owner.Spec.Template.ObjectMeta, &owner.Spec.Template.Spec
	}
	return nil, nil
}
