// A TCP relay of Go's standard library alone, to measure webspaced's own against: io.Copy splices between sockets.
//
// Usage: relay-go LISTEN=BACKEND..., each an address such as 127.0.0.1:8001.
package main

import (
	"io"
	"log"
	"net"
	"os"
	"strings"
)

func copyOneWay(to, from *net.TCPConn, done chan<- struct{}) {
	io.Copy(to, from)
	to.CloseWrite()
	done <- struct{}{}
}

func relay(visitor *net.TCPConn, backend string) {
	defer visitor.Close()
	connection, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	container := connection.(*net.TCPConn)
	defer container.Close()
	done := make(chan struct{}, 2)
	go copyOneWay(container, visitor, done)
	copyOneWay(visitor, container, done)
	<-done
	<-done
}

func serve(listen, backend string) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		log.Fatal(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go relay(connection.(*net.TCPConn), backend)
	}
}

func main() {
	for _, pair := range os.Args[1:] {
		listen, backend, _ := strings.Cut(pair, "=")
		go serve(listen, backend)
	}
	select {}
}
