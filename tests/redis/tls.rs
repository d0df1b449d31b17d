//! The same, encrypted, with certificates that are made for the test.

use super::*;
use std::path::Path;
use std::process::{Command, Stdio};

fn openssl(folder: &Path, words: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(words.split(' '));
    let output = command.stdin(Stdio::null()).output();
    let output = output.expect("`openssl` (package openssl) is installed");
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A root, and certificates by it for a server and its clients; and a root that nobody knows.
fn make_certificates(folder: &Path) {
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(folder, &format!("{new} -subj /CN=root -keyout ca.key -out ca.pem"));
    openssl(folder, &format!("{new} -subj /CN=other -keyout other.key -out other.pem"));
    for (name, subject) in [("server", "DNS:localhost,IP:127.0.0.1"), ("me", "DNS:me")] {
        openssl(
            folder,
            &format!(
                "{new} -CA ca.pem -CAkey ca.key -subj /CN={name} -addext subjectAltName={subject} -addext \
                 basicConstraints=critical,CA:FALSE -keyout {name}.key -out {name}.pem"
            ),
        );
    }
}

fn start(asks_clients: &str) -> RedisProcess {
    RedisProcess::start_with(|folder, port| {
        make_certificates(folder);
        let file = |name: &str| folder.join(name).display().to_string();
        let port = port.to_string();
        [
            ["--port", "0"],
            ["--tls-port", &port],
            ["--tls-cert-file", &file("server.pem")],
            ["--tls-key-file", &file("server.key")],
            ["--tls-ca-cert-file", &file("ca.pem")],
            ["--tls-auth-clients", asks_clients],
        ]
        .iter()
        .flatten()
        .map(|word| word.to_string())
        .collect()
    })
}

#[test]
fn messages_go_both_ways_encrypted() {
    let redis = start("no");
    let (port, ca) = (redis.port(), redis.folder().join("ca.pem"));
    for host in ["localhost", "127.0.0.1"] {
        let (owner, agent) = ends(&format!("rediss://{host}:{port}?ca={}", ca.display()));
        works_again(&owner, &agent);
        let long = message(9, (1 << 20) - 100);
        agent.send(&long).unwrap();
        assert_eq!(receive(&owner, 1), [long]);
        redis.ask("CLIENT KILL TYPE normal SKIPME yes");
        works_again(&owner, &agent);
    }
}

#[test]
fn a_server_that_asks_its_clients_gets_their_certificate() {
    let redis = start("yes");
    let file = |name: &str| redis.folder().join(name).display().to_string();
    let url = format!("rediss://localhost:{}?ca={}", redis.port(), file("ca.pem"));
    failure(|| ends(&url).0.receive());
    let (owner, agent) = ends(&format!("{url}&cert={}&key={}", file("me.pem"), file("me.key")));
    works_again(&owner, &agent);
}

#[test]
fn a_certificate_that_does_not_fit_is_refused() {
    let redis = start("no");
    let port = redis.port();
    for name in ["other.pem", "no-such-file", "ca.key"] {
        let file = redis.folder().join(name);
        let url = format!("rediss://localhost:{port}?ca={}", file.display());
        let error = failure(|| ends(&url).0.receive());
        let expected = if name == "other.pem" { "ertificate" } else { name };
        assert!(error.sentence().contains(expected), "{error}");
    }
    // Not in the system's store either, and for another name.
    failure(|| ends(&format!("rediss://localhost:{port}")).0.receive());
    let ca = redis.folder().join("ca.pem");
    failure(|| ends(&format!("rediss://ip6-localhost:{port}?ca={}", ca.display())).0.receive());
    // One speaks TLS, and the other does not.
    failure(|| ends(&format!("redis://localhost:{port}")).0.receive());
    let plain = RedisProcess::start();
    failure(|| ends(&format!("rediss://localhost:{}", plain.port())).0.receive());
}
