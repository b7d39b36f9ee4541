package server

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/scrypt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientset "k8s.io/client-go/kubernetes"

	"belay.test/dist/face/identity"
)

const passwordFile = "/etc/rancher/node/password"

// node is what the server does for the Node object of its own agent.
type node struct {
	*settings
	etcd *member // nil with kine
	api  *clientset.Clientset
}

func newNode(s *settings, etcd *member) (*node, error) {
	api, err := s.client()
	return &node{s, etcd, api}, err
}

// afterReset forgets the node's password, which the restored datastore may
// know another one of, and with it that there was a reset.
func (n *node) afterReset(ctx context.Context) error {
	if n.etcd == nil {
		return nil
	}
	if _, err := os.Stat(n.etcd.resetFlag()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	name := n.NodeName + ".node-password.k3s"
	err := n.api.CoreV1().Secrets(metav1.NamespaceSystem).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("failed to delete old node password secret: %w", err)
	}
	return os.Remove(n.etcd.resetFlag())
}

// admit compares /etc/rancher/node/password with the Secret that remembers it.
// A node whose password was lost is refused for ever, while the API stays up.
func (n *node) admit(ctx context.Context) error {
	raw, err := os.ReadFile(passwordFile)
	if errors.Is(err, fs.ErrNotExist) {
		fresh, err := identity.RandomHex(16)
		if err != nil {
			return err
		}
		raw = []byte(fresh)
		if err := identity.WriteFile(passwordFile, raw, 0o600); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	password := strings.TrimSpace(string(raw))
	for {
		err := n.password(ctx, password)
		if err == nil {
			return nil
		}
		logrus.Errorf("%v", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Second):
		}
	}
}

func (n *node) password(ctx context.Context, password string) error {
	name := n.NodeName + ".node-password.k3s"
	secrets := n.api.CoreV1().Secrets(metav1.NamespaceSystem)
	known, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		if !matches(string(known.Data["hash"]), password) {
			return fmt.Errorf("Node password rejected, duplicate hostname or contents of '%s' may not match server node-passwd entry", passwordFile)
		}
		return nil
	}
	if !apierrors.IsNotFound(err) {
		return err
	}
	salt := make([]byte, 8)
	if _, err := rand.Read(salt); err != nil {
		return err
	}
	hash, err := hashPassword(password, salt)
	if err != nil {
		return err
	}
	immutable := true
	_, err = secrets.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceSystem},
		Type:       "k3s.cattle.io/node-password", Immutable: &immutable,
		Data: map[string][]byte{"hash": []byte(hash)},
	}, metav1.CreateOptions{})
	return err
}

// hashPassword is K3s' form: $1:salt:logN:r:p:scrypt.
func hashPassword(password string, salt []byte) (string, error) {
	key, err := scrypt.Key([]byte(password), salt, 1<<15, 8, 1, 64)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$1:%s:15:8:1:%s", hex.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

func matches(hash, password string) bool {
	fields := strings.Split(hash, ":")
	if len(fields) != 6 {
		return false
	}
	salt, err := hex.DecodeString(fields[1])
	if err != nil {
		return false
	}
	again, err := hashPassword(password, salt)
	return err == nil && subtle.ConstantTimeCompare([]byte(again), []byte(hash)) == 1
}

// describe puts K3s' labels and annotations on the Node when the kubelet has
// registered it (captures/…/node.yaml).
func (n *node) describe(ctx context.Context) {
	annotations, err := n.values.Annotations()
	if err != nil {
		logrus.Errorf("node annotations: %v", err)
		return
	}
	annotations["k3s.io/hostname"] = n.NodeName
	annotations["k3s.io/internal-ip"] = n.NodeIP
	labels := map[string]string{
		"node-role.kubernetes.io/control-plane": "true",
		"node.kubernetes.io/instance-type":      "k3s",
		"beta.kubernetes.io/instance-type":      "k3s",
	}
	if n.etcd != nil {
		annotations["etcd.k3s.cattle.io/node-name"] = n.etcd.name
		annotations["etcd.k3s.cattle.io/node-address"] = n.NodeIP
		annotations["etcd.k3s.cattle.io/local-snapshots-timestamp"] = time.Now().UTC().Format(time.RFC3339)
		labels["node-role.kubernetes.io/etcd"] = "true"
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations, "labels": labels}})
	if err != nil {
		logrus.Errorf("node annotations: %v", err)
		return
	}
	for {
		_, err := n.api.CoreV1().Nodes().Patch(ctx, n.NodeName, types.MergePatchType, patch, metav1.PatchOptions{})
		if err == nil {
			err = n.voter(ctx)
		}
		if err == nil {
			return
		}
		if !apierrors.IsNotFound(err) {
			logrus.Warnf("node %s: %v", n.NodeName, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// voter is the condition EtcdIsVoter.
func (n *node) voter(ctx context.Context) error {
	if n.etcd == nil {
		return nil
	}
	now := metav1.Now()
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.NodeCondition{{
		Type: "EtcdIsVoter", Status: corev1.ConditionTrue, Reason: "MemberNotLearner",
		Message: "Node is a voting member of the etcd cluster", LastHeartbeatTime: now, LastTransitionTime: now,
	}}}})
	if err != nil {
		return err
	}
	_, err = n.api.CoreV1().Nodes().Patch(ctx, n.NodeName, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}
