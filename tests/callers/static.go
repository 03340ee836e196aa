// Prints the IPv4 addresses of a name as Go's own resolver finds them. It imports no more than it must:
// a compiler that has nothing yet compiles all of that too.
package main

import (
	"context"
	"net"
	"os"
)

func main() {
	addresses, err := net.DefaultResolver.LookupIP(context.Background(), "ip4", os.Args[1])
	if dns, is := err.(*net.DNSError); is && dns.IsNotFound {
		os.Stdout.WriteString("no such name\n")
		return
	}
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		return
	}
	for _, address := range addresses {
		os.Stdout.WriteString(address.String() + "\n")
	}
}
