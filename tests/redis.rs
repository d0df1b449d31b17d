//! A channel by way of a Redis server carries messages whatever happens to the server, and never holds anybody up.

mod support;

use std::time::{Duration, Instant};
use support::redis::{RedisProcess, command};
use trackmirror::monitor::remote::{Envelope, MessageKind};
use trackmirror::remote::{Channel, RedisChannel, RedisServer};
use trackmirror::{Error, Reason, Volser};

#[path = "redis/hostile.rs"]
mod hostile;
#[cfg(feature = "redis-tls")]
#[path = "redis/tls.rs"]
mod tls;

const IMAGE: &str = "SYSB";
const MIGRATION: [u64; 2] = [1, 0xABCD];
/// The stream to the owner, and the one to the agent.
const TO_OWNER: &str = "trackmirror:to-owner:SYSB:0000000000000001000000000000abcd";
const TO_AGENT: &str = "trackmirror:to-agent:SYSB";
/// The longest that a call may take: connection, log-on, answer, each a second, and what a busy machine adds.
const CALL_MAX: Duration = Duration::from_millis(3500);
/// How soon everything works again.
const BACK_MAX: Duration = Duration::from_secs(20);

fn server(url: &str) -> RedisServer {
    url.parse().unwrap()
}

/// An owner who has sent something, so that it is known which migration is his.
fn owner_of(server: &RedisServer) -> RedisChannel {
    let owner = RedisChannel::owner(server, IMAGE);
    let _ = owner.send(&message(200, 1));
    owner
}

fn ends(url: &str) -> (RedisChannel, RedisChannel) {
    let server = server(url);
    let owner = owner_of(&server);
    let agent = RedisChannel::agent(&server, IMAGE);
    drain(&agent);
    (owner, agent)
}

/// Takes what is there, if the server can be reached.
fn drain(channel: &RedisChannel) {
    while channel.receive().is_ok_and(|messages| !messages.is_empty()) {}
}

/// A message of this length and number, as agents send them.
fn message(number: u8, length: usize) -> Vec<u8> {
    let body = vec![number; length];
    let (image, kind) = (IMAGE.into(), MessageKind::Report);
    let volser = Volser::from_bytes([0; 6]);
    Envelope { migration: MIGRATION, image, volser, kind, body }.to_bytes()
}

/// Receives until so many have come, and nothing else comes.
fn receive(channel: &RedisChannel, count: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let messages = channel.receive().unwrap();
        if messages.is_empty() {
            assert_eq!(all.len(), count);
            return all;
        }
        all.extend(messages);
    }
}

/// The error of this call, which ended in time.
fn failure<T: std::fmt::Debug>(call: impl FnOnce() -> trackmirror::Result<T>) -> Error {
    let from = Instant::now();
    let error = call().unwrap_err();
    assert!(from.elapsed() < CALL_MAX, "{:?}: {error}", from.elapsed());
    assert_eq!(error.reason(), Reason::ChannelFailed);
    assert!(!error.sentence().contains("secret"), "{error}");
    error
}

/// That calls in the pause after a failure cost nothing.
fn fails_at_once(channel: &RedisChannel) {
    let from = Instant::now();
    for _ in 0..100 {
        channel.receive().unwrap_err();
        channel.send(&message(0, 1)).unwrap_err();
    }
    assert!(from.elapsed() < Duration::from_millis(100), "{:?}", from.elapsed());
}

/// Messages go both ways again, at last. What was on its way may be lost.
fn works_again(owner: &RedisChannel, agent: &RedisChannel) {
    let from = Instant::now();
    let passed = |from_end: &RedisChannel, to: &RedisChannel, number: u8| {
        let text = message(number, 10);
        loop {
            let sent = from_end.send(&text);
            if let Ok(messages) = to.receive()
                && messages.contains(&text)
            {
                break;
            }
            assert!(from.elapsed() < BACK_MAX, "nothing comes: {sent:?} {:?}", to.receive());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    passed(owner, agent, 201);
    passed(agent, owner, 202);
    while !owner.receive().unwrap().is_empty() || !agent.receive().unwrap().is_empty() {}
}

#[test]
fn messages_go_both_ways_in_their_order() {
    let redis = RedisProcess::start();
    for url in [redis.socket_url(), redis.url(), redis.url() + "/3"] {
        let (owner, agent) = ends(&url);
        for (from, to) in [(&owner, &agent), (&agent, &owner)] {
            let sent: Vec<_> = (1..=30).map(|number| message(number, 1 << (number / 2))).collect();
            sent.iter().for_each(|message| from.send(message).unwrap());
            assert_eq!(receive(to, 30), sent);
            let long = message(9, (1 << 20) - 100);
            from.send(&long).unwrap();
            assert_eq!(receive(to, 1), [long]);
        }
    }
}

#[test]
fn migrations_and_images_do_not_mix() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    let other_migration = RedisChannel::owner(&server(&redis.url()), IMAGE);
    let other_image = RedisChannel::agent(&server(&redis.url()), "SYSC");
    receive(&other_image, 0);
    agent.send(&message(1, 5)).unwrap();
    receive(&other_migration, 0);
    let mut other = Envelope::of(&message(2, 5)).unwrap();
    other.migration = [2, 2];
    other_migration.send(&other.to_bytes()).unwrap();
    owner.send(&message(3, 5)).unwrap();
    assert_eq!(receive(&agent, 2), [other.to_bytes(), message(3, 5)]);
    receive(&other_migration, 0);
    receive(&owner, 1);
    receive(&other_image, 0);
}

#[test]
fn what_was_not_done_is_delivered_to_the_next_process() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    (1..=3).for_each(|number| agent.send(&message(number, 5)).unwrap());
    let first = owner.receive().unwrap();
    assert!(!first.is_empty());
    drop(owner);
    agent.send(&message(4, 5)).unwrap();
    let owner = owner_of(&server(&redis.url()));
    let expected: Vec<_> = (1..=4).map(|number| message(number, 5)).collect();
    assert_eq!(receive(&owner, 4), expected);
    drop(owner);
    receive(&owner_of(&server(&redis.url())), 0);
    assert_eq!(redis.number(&format!("XLEN {TO_OWNER}")), 0, "the owner removes what is done");
}

#[test]
fn both_agents_of_one_name_get_every_question() {
    let redis = RedisProcess::start();
    let (owner, one) = ends(&redis.url());
    let two = RedisChannel::agent(&server(&redis.url()), IMAGE);
    drain(&two);
    (1..=20).for_each(|number| owner.send(&message(number, 5)).unwrap());
    assert_eq!(receive(&one, 20), receive(&two, 20));
}

#[test]
fn an_agent_hears_what_came_while_there_was_none_and_leaves_no_group() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    drop(agent);
    owner.send(&message(1, 5)).unwrap();
    let groups = || format!("{:?}", redis.ask(&format!("XINFO GROUPS {TO_AGENT}")));
    assert!(!groups().contains("agent-"), "{}", groups());
    // Of an agent that was killed before it ever read, and of one that lives.
    redis.ask(&format!("XGROUP CREATE {TO_AGENT} agent-dead $"));
    redis.ask(&format!("XGROUP CREATE {TO_AGENT} agent-alive $"));
    redis.ask(&format!("XGROUP CREATECONSUMER {TO_AGENT} agent-alive agent-alive"));
    redis.ask(&format!("XGROUP CREATE {TO_AGENT} somebody $"));
    let agent = RedisChannel::agent(&server(&redis.url()), IMAGE);
    let mut all = Vec::new();
    while let Some(message) = agent.receive().unwrap().pop() {
        all.push(message);
    }
    assert_eq!(all.last(), Some(&message(1, 5)), "the end of the migration, it may be");
    let names = format!("{:?}", groups().matches("agent-dead").count());
    assert_eq!(names, "0", "{}", groups());
    assert!(groups().contains("agent-alive") && groups().contains("somebody"));
}

#[test]
fn nothing_stays_for_ever_and_nothing_grows() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    for _ in 0..300 {
        owner.send(&message(1, 5)).unwrap();
        agent.send(&message(1, 5)).unwrap();
    }
    for key in [TO_OWNER, TO_AGENT] {
        assert_eq!(redis.number(&format!("XLEN {key}")), 64);
        let seconds = redis.number(&format!("TTL {key}"));
        assert!((600_000..=7 * 86_400).contains(&seconds), "{key}: {seconds}");
    }
    assert_eq!(redis.number("DBSIZE"), 2);
    assert_eq!(receive(&owner, 64).len(), receive(&agent, 64).len());
    // A stream that expired while somebody waits for messages is made anew.
    redis.ask(&format!("DEL {TO_OWNER} {TO_AGENT}"));
    works_again(&owner, &agent);
}

#[test]
fn what_is_trimmed_while_it_is_read_is_passed_over() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    (1..=5).for_each(|number| agent.send(&message(number, 5)).unwrap());
    owner.receive().unwrap();
    drop(owner);
    (0..100).for_each(|_| agent.send(&message(9, 5)).unwrap());
    let owner = owner_of(&server(&redis.url()));
    let mut received = 0;
    for _ in 0..100 {
        received += owner.receive().unwrap().len();
    }
    assert_eq!(received, 64);
}

#[test]
fn strange_entries_are_passed_over_and_strange_keys_told() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    redis.ask(&format!("XADD {TO_OWNER} * x y"));
    redis.ask(&format!("XADD {TO_OWNER} * m y z w"));
    agent.send(&message(1, 5)).unwrap();
    let mut received = Vec::new();
    (0..5).for_each(|_| received.extend(owner.receive().unwrap()));
    assert_eq!(received, [message(1, 5)]);
    redis.ask(&format!("SET {TO_OWNER} x"));
    assert!(failure(|| owner.receive()).sentence().contains("WRONGTYPE"));
    assert!(failure(|| agent.send(&message(1, 5))).sentence().contains("trackmirror:"));
    redis.ask(&format!("DEL {TO_OWNER}"));
    works_again(&owner, &agent);
}

#[test]
fn a_server_that_is_killed_and_comes_back_empty_is_used_again() {
    let mut redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    for _ in 0..3 {
        agent.send(&message(1, 5)).unwrap();
        redis.kill();
        for end in [&owner, &agent] {
            let error = failure(|| end.receive());
            assert!(error.sentence().contains(&redis.url()), "{error}");
            assert!(error.sentence().contains("see that it runs"), "{error}");
            failure(|| end.send(&message(2, 5)));
            fails_at_once(end);
        }
        redis.restart();
        works_again(&owner, &agent);
    }
}

#[test]
fn a_server_that_was_emptied_costs_nothing_but_the_messages() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    works_again(&owner, &agent);
    agent.send(&message(1, 5)).unwrap();
    redis.ask("FLUSHALL");
    receive(&owner, 0);
    receive(&agent, 0);
    works_again(&owner, &agent);
    for key in [TO_OWNER, TO_AGENT] {
        assert!(redis.number(&format!("TTL {key}")) > 0);
    }
    redis.ask(&format!("XGROUP DESTROY {TO_OWNER} owner"));
    works_again(&owner, &agent);
}

#[test]
fn a_server_that_is_full_still_gives_what_it_has() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    receive(&owner, 0);
    agent.send(&message(1, 5)).unwrap();
    redis.ask("CONFIG SET maxmemory-policy noeviction");
    redis.ask("CONFIG SET maxmemory 1mb");
    let error = failure(|| agent.send(&message(2, 5)));
    assert!(error.sentence().contains("maxmemory"), "{error}");
    assert_eq!(receive(&owner, 1), [message(1, 5)]);
    receive(&agent, 0);
    redis.ask("CONFIG SET maxmemory 0");
    works_again(&owner, &agent);
}

#[test]
fn a_server_that_takes_no_changes_is_told_of() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    works_again(&owner, &agent);
    redis.ask("REPLICAOF 127.0.0.1 1");
    let error = failure(|| agent.send(&message(2, 5)));
    assert!(error.sentence().contains("takes changes"), "{error}");
    failure(|| owner.receive());
    redis.ask("REPLICAOF NO ONE");
    works_again(&owner, &agent);
}

#[test]
fn passwords_are_needed_and_never_shown() {
    let redis = RedisProcess::start();
    redis.ask("CONFIG SET requirepass secret/1");
    let port = redis.port();
    for url in [redis.url(), format!("redis://:secretive@127.0.0.1:{port}")] {
        let error = failure(|| ends(&url).0.receive());
        assert!(error.sentence().contains("TRACKMIRROR_REDIS_PASSWORD"), "{error}");
    }
    let (owner, agent) = ends(&format!("redis://:secret%2F1@127.0.0.1:{port}"));
    works_again(&owner, &agent);
    assert!(!format!("{owner:?}").contains("secret"));
    let server = server(&redis.url()).with_password("secret/1");
    receive(&owner_of(&server), 0);
}

#[test]
fn a_password_for_a_server_without_one_is_told_of() {
    let redis = RedisProcess::start();
    let error =
        failure(|| ends(&format!("redis://:secret@127.0.0.1:{}", redis.port())).0.receive());
    assert!(error.sentence().contains("or none, if it has none"), "{error}");
}

#[test]
fn a_user_needs_what_is_documented_and_no_more() {
    let redis = RedisProcess::start();
    let documented = include_str!("../src/remote/redis.rs");
    let (_, rules) = documented.split_once("`ACL SETUSER name on >password ").unwrap();
    let rules = rules.split('`').next().unwrap().replace("\n//!", "");
    redis.ask(&format!("ACL SETUSER migrator on >secret {rules}"));
    let port = redis.port();
    let (owner, agent) = ends(&format!("redis://migrator:secret@127.0.0.1:{port}"));
    works_again(&owner, &agent);
    drop(agent);
    for command in ["xadd", "expire"] {
        redis.ask(&format!("ACL SETUSER migrator -{command}"));
        let error = failure(|| owner.send(&message(1, 5)));
        assert!(error.sentence().contains("ACL SETUSER"), "{error}");
        redis.ask(&format!("ACL SETUSER migrator +{command}"));
        std::thread::sleep(Duration::from_millis(300));
        owner.send(&message(1, 5)).unwrap();
    }
    // Without this one, groups that were left behind stay, and all else works.
    redis.ask("ACL SETUSER migrator -xinfo");
    let agent = RedisChannel::agent(owner.server(), IMAGE);
    drain(&agent);
    works_again(&owner, &agent);
}

#[test]
fn a_server_can_be_checked_without_a_trace() {
    let redis = RedisProcess::start();
    server(&redis.url()).check().unwrap();
    assert_eq!(redis.number("DBSIZE"), 0);
    redis.ask("ACL SETUSER pinger on >secret -@all");
    let checked =
        |access: &str| server(&format!("redis://{access}@127.0.0.1:{}", redis.port())).check();
    checked("pinger:secret").unwrap();
    let error = failure(|| checked("pinger:secretive"));
    assert!(error.sentence().contains("TRACKMIRROR_REDIS_PASSWORD"), "{error}");
    failure(|| server("redis://127.0.0.1:1").check());
}

#[test]
fn a_slow_server_holds_nobody_up() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    works_again(&owner, &agent);
    let mut sleeper = redis.connection();
    let asleep = std::thread::spawn(move || {
        command("DEBUG SLEEP 4").query::<redis::Value>(&mut sleeper).unwrap();
    });
    std::thread::sleep(Duration::from_millis(300));
    let from = Instant::now();
    let error = failure(|| agent.send(&message(7, 5)));
    assert!(from.elapsed() < Duration::from_millis(1500), "{:?}", from.elapsed());
    assert!(error.sentence().contains("longer than 1 s"), "{error}");
    fails_at_once(&agent);
    failure(|| owner.receive());
    asleep.join().unwrap();
    works_again(&owner, &agent);
}

#[test]
fn broken_connections_lose_nothing_that_was_sent() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    works_again(&owner, &agent);
    let mut received = Vec::new();
    for number in 1..=40 {
        let until = Instant::now() + BACK_MAX;
        while agent.send(&message(number, 5)).is_err() {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_millis(20));
        }
        if number % 3 == 0 {
            redis.ask("CLIENT KILL TYPE normal SKIPME yes");
        }
        received.extend(owner.receive().unwrap_or_default());
    }
    let until = Instant::now() + BACK_MAX;
    while received.last() != Some(&message(40, 5)) {
        assert!(Instant::now() < until);
        received.extend(owner.receive().unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
    received.dedup();
    assert_eq!(received, (1..=40).map(|number| message(number, 5)).collect::<Vec<_>>());
}

#[test]
fn two_threads_may_use_one_end() {
    let redis = RedisProcess::start();
    let (owner, agent) = ends(&redis.url());
    std::thread::scope(|scope| {
        for number in 1..=2 {
            let agent = &agent;
            scope.spawn(move || (0..25).for_each(|_| agent.send(&message(number, 5)).unwrap()));
        }
    });
    receive(&owner, 50);
}
