// Package archtest holds the repository to its own shape: who may import whom,
// what only the edge of the process may touch, and how long a file or a
// function grows before it has to say why. Every rule has its reason beside it,
// and a finding prints that reason.
//
// Invariants: sources are read and never built, so the tests take less than a
// second; an exception that nothing needs any more is itself a finding.
package archtest
