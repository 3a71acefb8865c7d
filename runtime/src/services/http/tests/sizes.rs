use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// The default limit (sandbox.md, "Limits").
const LIMIT: usize = 10_485_760;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

#[track_caller]
fn answer(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<HttpResponse, HttpError> {
    let server = TestServer::start(move |_| reply());
    let client = local_client().build().unwrap();
    send(&client, get(&server.url("/")), WIDE)
}

#[track_caller]
fn fits(length: usize, reply: impl Fn() -> Reply + Send + Sync + 'static) {
    assert_eq!(answer(reply).unwrap().body.len(), length);
}

#[track_caller]
fn too_large(reply: impl Fn() -> Reply + Send + Sync + 'static) {
    let refused = answer(reply).unwrap_err();
    assert!(
        matches!(refused, HttpError::ResponseTooLarge { limit_bytes } if limit_bytes == LIMIT as u64),
        "{refused:?}"
    );
}

#[track_caller]
fn fails(expected: &str, reply: impl Fn() -> Reply + Send + Sync + 'static) {
    let failed = answer(reply).unwrap_err();
    assert!(
        matches!(failed, HttpError::Failed { reason } if reason == expected),
        "{failed:?}"
    );
}

#[test]
fn a_plain_response_may_be_as_large_as_the_limit() {
    fits(LIMIT, || Reply::ok(&vec![b'x'; LIMIT]));
    too_large(|| Reply::ok(&vec![b'x'; LIMIT + 1]));
}

#[test]
fn a_response_that_says_it_is_too_large_is_not_read() {
    too_large(|| Reply::Silence(b"HTTP/1.1 200 OK\r\ncontent-length: 10485761\r\n\r\n".to_vec()));
}

#[test]
fn a_chunked_response_may_be_as_large_as_the_limit() {
    fits(LIMIT, || Reply::chunked("", &vec![b'x'; LIMIT], 65_536));
    too_large(|| Reply::chunked("", &vec![b'x'; LIMIT + 1], 65_536));
}

#[test]
fn a_response_that_ends_with_its_connection_may_be_as_large_as_the_limit() {
    let reply = |length| Reply::Last([&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; length]].concat());
    fits(LIMIT, move || reply(LIMIT));
    too_large(move || reply(LIMIT + 1));
    too_large(|| Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 8_192]));
}

#[test]
fn a_compressed_response_may_be_as_large_as_the_limit_when_decompressed() {
    let encoded = "content-encoding: gzip\r\n";
    fits(LIMIT, move || Reply::with(encoded, &gzip(&vec![b'x'; LIMIT])));
    fits(LIMIT, move || Reply::chunked(encoded, &gzip(&vec![b'x'; LIMIT]), 1_000));
    too_large(move || Reply::with(encoded, &gzip(&vec![b'x'; LIMIT + 1])));
    too_large(move || Reply::chunked(encoded, &gzip(&vec![b'x'; LIMIT + 1]), 1_000));
    // A bomb, 100 to 1,000 times its size.
    too_large(move || Reply::with(encoded, &gzip(&vec![0; 20 * LIMIT])));
}

#[test]
fn a_compressed_response_may_be_as_large_as_the_limit_while_transferred() {
    // Does not compress, so it is larger on the wire than it would be after.
    let encoded = gzip(&noise(LIMIT));
    assert!(encoded.len() > LIMIT);
    too_large(move || Reply::chunked("content-encoding: gzip\r\n", &encoded, 65_536));
}

#[test]
fn endless_empty_members_end_at_the_limit() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n";
    let members = gzip(b"").repeat(400);
    too_large(move || Reply::Endless(head.to_vec(), members.clone()));
}

#[test]
fn several_members_are_one_body() {
    let body = [gzip(b"one, "), gzip(b""), gzip(b"two")].concat();
    let response = answer(move || Reply::chunked("content-encoding: X-GZIP\r\n", &body, 1)).unwrap();
    assert_eq!(response.body, b"one, two");
}

#[test]
fn malformed_gzip_is_an_error() {
    let encoded = "content-encoding: gzip\r\n";
    let whole = gzip(b"whole");
    for length in 1..whole.len() {
        let part = whole[..length].to_vec();
        fails("encoding", move || Reply::with(encoded, &part));
    }
    let trailing = [&whole[..], b"garbage"].concat();
    fails("encoding", move || Reply::with(encoded, &trailing));
    let mut flipped = whole;
    let checksum = flipped.len() - 8;
    flipped[checksum] ^= 1;
    fails("encoding", move || Reply::with(encoded, &flipped));
    fails("encoding", move || Reply::with(encoded, b"no gzip at all"));
}

#[test]
fn a_response_that_breaks_off_is_an_error() {
    fails("protocol", || {
        Reply::Last(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfour".to_vec())
    });
    fails("protocol", || {
        Reply::Last(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfour".to_vec())
    });
    fails("protocol", || Reply::Last(Vec::new()));
    fails("protocol", || Reply::Last(b"HTTP/1.1 200".to_vec()));
}

#[test]
fn the_head_of_a_response_is_bounded() {
    let head = |fields: usize, length: usize| {
        let field = format!("x: {}\r\n", "v".repeat(length));
        format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", field.repeat(fields)).into_bytes()
    };
    fits(0, move || Reply::Bytes(head(99, 100)));
    fails("protocol", move || Reply::Last(head(100, 100)));
    fails("protocol", move || Reply::Last(head(1, 1_000_000)));
    fails("protocol", || {
        Reply::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'v'; 8_192])
    });
}

#[test]
fn a_sender_with_a_wish_for_an_encoding_gets_it_as_it_is() {
    let encoded = gzip(b"whole");
    let body = encoded.clone();
    let server = TestServer::start(move |_| Reply::with("content-encoding: gzip\r\n", &body));
    let client = local_client().build().unwrap();

    let decoded = send(&client, get(&server.url("/")), WIDE).unwrap();
    assert_eq!(
        (decoded.body, decoded.received_bytes),
        (b"whole".to_vec(), encoded.len() as u64)
    );
    assert!(!decoded.headers.contains_key("content-encoding"));
    assert!(!decoded.headers.contains_key("content-length"));

    let mut request = get(&server.url("/"));
    request.headers.insert("accept-encoding", "gzip, br".parse().unwrap());
    let untouched = send(&client, request, WIDE).unwrap();
    assert_eq!(untouched.body, encoded);
    assert_eq!(untouched.headers["content-encoding"], "gzip");

    let wishes: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.header("accept-encoding").map(str::to_owned))
        .collect();
    assert_eq!(wishes, [Some("gzip".to_owned()), Some("gzip, br".to_owned())]);
}

#[test]
fn an_answer_without_content_needs_no_decoding() {
    let server =
        TestServer::start(|_| Reply::Bytes(b"HTTP/1.1 304 Not Modified\r\ncontent-encoding: gzip\r\n\r\n".to_vec()));
    let client = local_client().build().unwrap();
    let response = send(&client, get(&server.url("/")), WIDE).unwrap();
    assert_eq!((response.status, response.body), (304, Vec::new()));
    let server = TestServer::start(|_| {
        Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 99999999\r\n\r\n".to_vec())
    });
    let head = HttpRequest {
        method: Method::HEAD,
        ..get(&server.url("/"))
    };
    let response = send(&client, head, WIDE).unwrap();
    assert_eq!((response.status, response.body), (200, Vec::new()));
    assert_eq!(response.headers["content-length"], "99999999");
}

#[test]
fn headers_of_the_connection_stay_behind() {
    let response = answer(|| Reply::chunked("keep-alive: timeout=5\r\nx-kept: 1\r\n", b"body", 2)).unwrap();
    assert_eq!(response.body, b"body");
    assert!(response.headers.contains_key("x-kept"));
    assert!(!response.headers.contains_key("transfer-encoding"));
    assert!(!response.headers.contains_key("keep-alive"));
}
