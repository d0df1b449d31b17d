//! Servers that are none, or not sane.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;

/// Something listens, and does this with every connection; where it is.
fn listener(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    url
}

/// It sends this as its first answer, and then listens.
fn answers(bytes: &'static [u8]) -> String {
    listener(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(bytes);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    })
}

/// Both calls of both ends fail in time, and the next ones at once.
fn nobody_is_held_up(url: &str) -> Error {
    let owner = RedisChannel::owner(&server(url), IMAGE);
    let agent = RedisChannel::agent(&server(url), IMAGE);
    failure(|| agent.receive());
    fails_at_once(&agent);
    let error = failure(|| owner.send(&message(1, 5)));
    std::thread::sleep(Duration::from_millis(150));
    failure(|| owner.receive());
    error
}

#[test]
fn nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    nobody_is_held_up(&format!("redis://127.0.0.1:{free}"));
    nobody_is_held_up("redis+unix:///no/such/socket");
    nobody_is_held_up("redis://no-such-host.invalid");
}

#[test]
fn somebody_listens_and_never_answers() {
    let error = nobody_is_held_up(&listener(|stream| {
        std::thread::sleep(Duration::from_secs(60));
        drop(stream);
    }));
    assert!(error.sentence().contains("longer than 1 s"), "{error}");
}

#[test]
fn nobody_takes_the_connection() {
    let folder = support::folder();
    let path = folder.path().join("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    nobody_is_held_up(&format!("redis+unix://{}", path.display()));
    // A queue with room for one, and many who wait in it.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let short = Duration::from_millis(50);
    let _waiting: Vec<_> =
        (0..8).filter_map(|_| TcpStream::connect_timeout(&address, short).ok()).collect();
    nobody_is_held_up(&format!("redis://{address}"));
}

#[test]
fn it_closes_at_once_or_in_the_middle_of_an_answer() {
    let error = nobody_is_held_up(&listener(drop));
    assert!(error.sentence().contains("see that it runs"), "{error}");
    nobody_is_held_up(&listener(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"$10000\r\nabc");
    }));
}

#[test]
fn it_answers_rubbish() {
    for rubbish in [
        &b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..],
        b"\0\0\0\0",
        b"*9999999999999\r\n",
        b"*-9999999999999\r\n$-99\r\n",
        b"$9223372036854775807\r\n",
        b"=-1\r\n\r\n|-5\r\n",
        b"%-1\r\n",
        b":not a number\r\n",
        b"-\xFF\xFE\r\n",
        b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n",
        b"*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n:1\r\n:1\r\n",
    ] {
        let url = answers(rubbish);
        let agent = RedisChannel::agent(&server(&url), IMAGE);
        let error = failure(|| agent.receive());
        assert!(error.sentence().is_ascii(), "{error}");
        assert!(!error.sentence().contains(['\n', '\r', '\0']), "{error:?}");
    }
    // Deep inside each other.
    let deep = listener(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(&b"*1\r\n".repeat(1_000_000));
    });
    nobody_is_held_up(&deep);
}

#[test]
fn it_answers_byte_by_byte_without_an_end() {
    let error = nobody_is_held_up(&listener(|mut stream| {
        let _ = stream.write_all(b"*1000000\r\n");
        while stream.write_all(b":1\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }));
    assert!(error.sentence().contains("longer than 1 s"), "{error}");
}

#[test]
fn it_sends_more_than_memory_holds() {
    let url = listener(|mut stream| {
        let _ = stream.write_all(b"$9000000000\r\n");
        let zeros = vec![0; 1 << 20];
        while stream.write_all(&zeros).is_ok() {}
    });
    let agent = RedisChannel::agent(&server(&url), IMAGE);
    let from = Instant::now();
    let error = agent.receive().unwrap_err();
    assert!(error.sentence().contains("more than can be meant"), "{error}");
    assert!(from.elapsed() < Duration::from_secs(6), "{:?}", from.elapsed());
}

#[test]
fn refusals_say_what_to_do() {
    for (refusal, advice) in [
        (&b"-LOADING Redis is loading the dataset in memory\r\n"[..], "that passes"),
        (b"-BUSY Redis is busy running a script.\r\n", "SCRIPT KILL"),
        (b"-MISCONF Redis is configured to save\r\n", "see its log"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "cluster"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "takes changes"),
        (b"-ERR unknown command 'XGROUP'\r\n", "5.0"),
        (b"-DENIED Redis is running in protected mode\r\n", "protected mode"),
        (b"-ERR max number of clients reached\r\n", "max number of clients reached"),
        (b"-\r\n", "log"),
    ] {
        // Once for each command that may be under way.
        let url = listener(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            (0..3).for_each(|_| _ = stream.write_all(refusal));
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        let owner = RedisChannel::agent(&server(&url), IMAGE);
        let error = failure(|| owner.receive());
        assert!(error.sentence().contains(advice), "{error}");
    }
}
