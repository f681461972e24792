// k8s-check says what an API server would say of rendered objects, without one: k8s-check -crds FOLDER FILE...
// It reads with Kubernetes' own code, finds what a JSON schema can't (keys of lists, CEL rules of custom kinds), and holds
// pods against the restricted profile of the Pod Security Standards. Exit code 1 when anything is wrong.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/util/yaml"
	strictyaml "sigs.k8s.io/yaml"
)

func main() {
	folder := flag.String("crds", "", "folder of CustomResourceDefinitions")
	flag.Parse()
	custom, err := readCustomKinds(*folder)
	exitOn(err)
	builtin, err := newBuiltinKinds()
	exitOn(err)

	objects, problems := 0, 0
	for _, file := range flag.Args() {
		documents, err := documentsOf(file)
		exitOn(err)
		for _, document := range documents {
			objects++
			for _, problem := range check(document, custom, builtin) {
				problems++
				fmt.Printf("%s: %s\n", file, problem)
			}
		}
	}
	fmt.Printf("%d objects, %d problems\n", objects, problems)
	if problems > 0 {
		os.Exit(1)
	}
}

// check returns what is wrong with one document, each time with the kind and name in front.
func check(document []byte, custom customKinds, builtin *builtinKinds) (problems []string) {
	var object map[string]any
	if err := strictyaml.UnmarshalStrict(document, &object); err != nil {
		return []string{err.Error()}
	}
	metadata, _ := object["metadata"].(map[string]any)
	subject := fmt.Sprintf("%v %v", object["kind"], metadata["name"])
	var found []string
	if kind, ok := custom[fmt.Sprintf("%v/%v", object["apiVersion"], object["kind"])]; ok {
		found = kind.check(document)
	} else {
		found = builtin.check(document)
	}
	for _, problem := range found {
		problems = append(problems, subject+": "+problem)
	}
	return problems
}

func documentsOf(file string) (documents [][]byte, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		var value any // comments alone are no object
		if strictyaml.Unmarshal(document, &value) == nil && value == nil {
			continue
		}
		documents = append(documents, document)
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
