//go:build !v1.33

package components

import (
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// messageJSON is a message of the container runtime's API as JSON.
func messageJSON(m proto.Message) ([]byte, error) { return protojson.Marshal(m) }

// messageOf forgives what it does not know: another version may have written it.
func messageOf(raw []byte, m proto.Message) error {
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(raw, m)
}

func sized(size uint64, image *runtimeapi.Image) *runtimeapi.Image {
	image.Size = size
	return image
}
