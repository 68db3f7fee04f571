package reeve

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// ParseConfig reads the operator's configuration into a struct that holds the defaults; its fields carry their keys as json tags. A
// key that the struct does not have or that is there twice, and a value of another type, are errors that name the key. Only a field
// with a pointer takes null.
func (c Context) ParseConfig(into any) error {
	if err := parse(c.Config, reflect.ValueOf(into).Elem()); err != nil {
		return fmt.Errorf("the policy's configuration is not valid: %w", err)
	}
	return nil
}

func parse(text string, into reflect.Value) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return fmt.Errorf("it must be an object")
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("it is no JSON: %w", err)
		}
		key := token.(string)
		field, known := fieldOf(into, key)
		if !known {
			return fmt.Errorf("'%s' is no key of it; there are %s", key, strings.Join(keysOf(into.Type()), ", "))
		}
		if seen[key] {
			return fmt.Errorf("'%s' is there twice", key)
		}
		seen[key] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return fmt.Errorf("'%s': %w", key, err)
		}
		if field.Kind() != reflect.Pointer && holdsNull(value) {
			return fmt.Errorf("'%s' must not be null", key)
		}
		if err := json.Unmarshal(value, field.Addr().Interface()); err != nil {
			return fmt.Errorf("'%s' must not be %s: %s", key, value, strings.TrimPrefix(err.Error(), "json: "))
		}
	}
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("it must end with '}'")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("it must end after its object")
	}
	return nil
}

// keyOf is the key of a field: the name in its json tag, or its own.
func keyOf(field reflect.StructField) string {
	if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
		return name
	}
	return field.Name
}

func keysOf(of reflect.Type) []string {
	keys := make([]string, of.NumField())
	for i := range keys {
		keys[i] = keyOf(of.Field(i))
	}
	return keys
}

func fieldOf(of reflect.Value, key string) (reflect.Value, bool) {
	for i, name := range keysOf(of.Type()) {
		if name == key {
			return of.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// holdsNull is true when a value or a part of it is null, which package json passes over in silence.
func holdsNull(value json.RawMessage) bool {
	decoder := json.NewDecoder(strings.NewReader(string(value)))
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		if token == nil {
			return true
		}
	}
}
