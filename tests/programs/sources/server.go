// Goroutines, channels, garbage collection, timers, processes and a web server with its clients.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

type node struct {
	left, right *node
	value       int
}

func tree(depth int) *node {
	if depth == 0 {
		return &node{value: 1}
	}
	return &node{tree(depth - 1), tree(depth - 1), depth}
}

func (n *node) sum() int {
	if n == nil {
		return 0
	}
	return n.left.sum() + n.right.sum() + n.value
}

func must(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// pipeline sends numbers through a chain of goroutines that each add one.
func pipeline(stages, count int) int {
	first := make(chan int)
	in := first
	for i := 0; i < stages; i++ {
		out := make(chan int, i%3)
		go func(in, out chan int) {
			for n := range in {
				out <- n + 1
			}
			close(out)
		}(in, out)
		in = out
	}
	go func() {
		for i := 0; i < count; i++ {
			first <- i
		}
		close(first)
	}()
	total := 0
	for n := range in {
		total += n
	}
	return total
}

func trees(workers, rounds int) int {
	var group sync.WaitGroup
	var lock sync.Mutex
	total := 0
	for i := 0; i < workers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for j := 0; j < rounds; j++ {
				sum := tree(8).sum()
				lock.Lock()
				total += sum
				lock.Unlock()
			}
		}()
	}
	group.Wait()
	runtime.GC()
	return total
}

func web(requests int) []string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		must(err)
		fmt.Fprintf(w, "%s %s %x", r.Method, r.URL.Path, sha256.Sum256(body))
	}
	go http.Serve(listener, http.HandlerFunc(handler))
	answers := make(chan string)
	limit := make(chan bool, 8)
	for i := 0; i < requests; i++ {
		go func(i int) {
			limit <- true
			body := strings.NewReader(strings.Repeat("x", i*100))
			answer, err := http.Post(fmt.Sprintf("http://%s/%d", listener.Addr(), i), "text/plain", body)
			must(err)
			text, err := io.ReadAll(answer.Body)
			must(err)
			answer.Body.Close()
			<-limit
			answers <- string(text)
		}(i)
	}
	var all []string
	for i := 0; i < requests; i++ {
		all = append(all, <-answers)
	}
	sort.Strings(all)
	return all
}

func main() {
	count, err := strconv.Atoi(os.Args[1])
	must(err)
	fmt.Println("pipeline", pipeline(20, count*5))
	fmt.Println("trees", trees(4, count))
	fmt.Printf("web %x\n", sha256.Sum256([]byte(strings.Join(web(count), "\n"))))

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	must(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	fmt.Println("signal", <-signals)

	ticker := time.NewTicker(time.Millisecond)
	for i := 0; i < 5; i++ {
		<-ticker.C
	}
	select {
	case <-make(chan int):
	case <-time.After(5 * time.Millisecond):
		fmt.Println("time is up")
	}

	output, err := exec.Command("/bin/sh", "-c", "echo child; exit 3").Output()
	fmt.Printf("%q %v\n", output, err)

	defer func() { fmt.Println("recovered:", recover()) }()
	var nothing *node
	fmt.Println(nothing.value)
}
