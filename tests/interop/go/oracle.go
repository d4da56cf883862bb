// Command oracle answers, one JSON object a line, what golang.org/x/mod's sumdb/note and sumdb/tlog make of our
// notes, proofs and tiles. It decides nothing itself, but for cosignatures, which sumdb/note does not know.
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Op      string
	Note    string
	Text    string
	Name    string
	Vkeys   []string
	Folder  string
	Proof   []tlog.Hash
	Size    int64
	Root    tlog.Hash
	Index   int64
	Leaf    tlog.Hash
	Old     int64
	OldRoot tlog.Hash
}

type answer struct {
	Error  string      `json:"error"`
	Text   string      `json:"text,omitempty"`
	Names  []string    `json:"names,omitempty"`
	Note   string      `json:"note,omitempty"`
	Vkey   string      `json:"vkey,omitempty"`
	Proofs []tlog.Hash `json:"proofs,omitempty"`
}

// cosigner verifies c2sp.org/tlog-cosignature, type 4.
type cosigner struct {
	name string
	key  ed25519.PublicKey
}

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 {
	sum := sha256.Sum256([]byte(c.name + "\n\x04" + string(c.key)))
	return binary.BigEndian.Uint32(sum[:])
}

func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(c.key, append([]byte(head), msg...), sig[8:])
}

func verifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) == 3 {
		key, err := base64.StdEncoding.DecodeString(parts[2])
		if err == nil && len(key) == 33 && key[0] == 4 {
			return cosigner{parts[0], key[1:]}, nil
		}
	}
	return note.NewVerifier(vkey)
}

func open(r request) (a answer, err error) {
	var known []note.Verifier
	for _, vkey := range r.Vkeys {
		v, err := verifier(vkey)
		if err != nil {
			return a, err
		}
		known = append(known, v)
	}
	n, err := note.Open([]byte(r.Note), note.VerifierList(known...))
	if err != nil {
		return a, err
	}
	for _, sig := range n.Sigs {
		a.Names = append(a.Names, sig.Name)
	}
	a.Text = n.Text
	return a, nil
}

func sign(r request) (a answer, err error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, r.Name)
	if err != nil {
		return a, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return a, err
	}
	signed, err := note.Sign(&note.Note{Text: r.Text}, signer)
	return answer{Note: string(signed), Vkey: vkey}, err
}

// tiles reads c2sp.org/tlog-tiles from a folder; sumdb's own paths name the height, ours do not.
type tiles struct{ folder string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range wanted {
		path := strings.TrimPrefix(tile.Path(), "tile/8/")
		bytes, err := os.ReadFile(filepath.Join(t.folder, "tile", path))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func prove(r request) (a answer, err error) {
	reader := tlog.TileHashReader(tlog.Tree{N: r.Size, Hash: r.Root}, tiles{r.Folder})
	proof, err := tlog.ProveRecord(r.Size, r.Index, reader)
	if err != nil {
		return a, err
	}
	return answer{Proofs: proof}, tlog.CheckRecord(proof, r.Size, r.Root, r.Index, r.Leaf)
}

func handle(r request) (answer, error) {
	switch r.Op {
	case "open":
		return open(r)
	case "sign":
		return sign(r)
	case "prove":
		return prove(r)
	case "record":
		return answer{}, tlog.CheckRecord(r.Proof, r.Size, r.Root, r.Index, r.Leaf)
	case "tree":
		return answer{}, tlog.CheckTree(r.Proof, r.Size, r.Root, r.Old, r.OldRoot)
	}
	return answer{}, errors.New("no such operation")
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		var r request
		var a answer
		err := json.Unmarshal(lines.Bytes(), &r)
		if err == nil {
			a, err = handle(r)
		}
		if err != nil {
			a.Error = err.Error()
		}
		line, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		out.Write(append(line, '\n'))
	}
}
