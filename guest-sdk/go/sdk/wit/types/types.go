// Package wit_types holds the shapes of the contract that Go has no type for. The generated bindings use it.
package wit_types

// Tags of an Option.
const (
	OptionNone uint8 = iota
	OptionSome
)

// Tags of a Result.
const (
	ResultOk uint8 = iota
	ResultErr
)

// Unit is a value that says nothing.
type Unit struct{}

// Tuple2 is a pair.
type Tuple2[A any, B any] struct {
	F0 A
	F1 B
}

// Option is a value that may be missing.
type Option[T any] struct {
	some  bool
	value T
}

// Some is a value that is there.
func Some[T any](value T) Option[T] { return Option[T]{true, value} }

// None is a value that is missing.
func None[T any]() Option[T] { return Option[T]{} }

// Tag is OptionSome or OptionNone.
func (o Option[T]) Tag() uint8 {
	if o.some {
		return OptionSome
	}
	return OptionNone
}

// Some is the value; a missing one stops the policy.
func (o Option[T]) Some() T {
	if !o.some {
		panic("the value is missing")
	}
	return o.value
}

// Get is the value and whether it is there.
func (o Option[T]) Get() (T, bool) { return o.value, o.some }

// Result is a value or what went wrong.
type Result[T any, E any] struct {
	failed bool
	value  T
	err    E
}

// Ok is a good result.
func Ok[T any, E any](value T) Result[T, E] { return Result[T, E]{value: value} }

// Err is a bad result.
func Err[T any, E any](err E) Result[T, E] { return Result[T, E]{failed: true, err: err} }

// Tag is ResultOk or ResultErr.
func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// Ok is the value of a good result; a bad one stops the policy.
func (r Result[T, E]) Ok() T {
	if r.failed {
		panic("the result is bad")
	}
	return r.value
}

// Err is what went wrong; a good result stops the policy.
func (r Result[T, E]) Err() E {
	if !r.failed {
		panic("the result is good")
	}
	return r.err
}
