//go:build wasip1

// Package runtime is what the generated bindings need of memory: where the host writes to, and handles of resources.
package runtime

import (
	"runtime"
	"runtime/debug"
	"unsafe"
)

// Nearly every call of a policy is a fresh instance, so its garbage goes with it and collecting would only use fuel. The collector
// therefore begins when this much memory is used, bytes: for calls that allocate a lot, and for instances that live long.
const collectAbove = 24 << 20

func init() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(collectAbove)
}

// Blocks the host wrote to, kept from being moved or collected until the call they belong to begins.
var handed runtime.Pinner

// Unpin lets go of what the host wrote: from here on ordinary references keep it.
func Unpin() { handed.Unpin() }

// Allocate returns size bytes at a multiple of align (a power of two up to 8), zeroed and pinned.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(align)
	}
	// A slice of words lies at a multiple of 8, which is every alignment the contract knows.
	words := make([]uint64, (size+7)/8)
	block := unsafe.Pointer(unsafe.SliceData(words))
	pinner.Pin(block)
	return block
}

// cabi_realloc gives the host memory to write to. The contract only ever asks for new blocks.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	block := Allocate(&handed, size, align)
	if oldSize > 0 {
		copy(unsafe.Slice((*byte)(block), size), unsafe.Slice((*byte)(old), oldSize))
	}
	return block
}

// Handle is the number of a resource, taken once.
type Handle struct{ number int32 }

// MakeHandle is a handle for a number that is not 0.
func MakeHandle(number int32) *Handle { return &Handle{number} }

// Use is the number.
func (h *Handle) Use() int32 {
	if h.number == 0 {
		panic("the resource is gone")
	}
	return h.number
}

// Take is the number, once.
func (h *Handle) Take() int32 {
	number := h.Use()
	h.number = 0
	return number
}

// TakeOrNil is the number, or 0 when it was taken.
func (h *Handle) TakeOrNil() int32 {
	number := h.number
	h.number = 0
	return number
}

// Set puts a number back.
func (h *Handle) Set(number int32) { h.number = number }
