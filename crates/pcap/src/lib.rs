//! Packets to facts: TCP, TLS, HTTP, DNS, Kerberos, LDAP, QUIC.
