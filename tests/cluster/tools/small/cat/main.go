// Command cat prints files: the one of the programs beside Helm in its image that the page makes use of.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	for _, name := range os.Args[1:] {
		if err := show(name); err != nil {
			fmt.Fprintln(os.Stderr, "cat:", err)
			os.Exit(1)
		}
	}
}

func show(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(os.Stdout, file)
	return err
}
