//! One request and its answer, on the client's own thread.

use std::error::Error;
use std::io;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response};

use super::body::BodyReader;
use super::resolve::ResolveError;
use super::{HttpBounds, HttpError, HttpRequest, HttpResponse};

/// Headers of the connection between two machines (RFC 9110 §7.6.1); they mean nothing beyond it.
const CONNECTION_HEADERS: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Sends a request and reads the answer to its end, all under one deadline.
pub(super) async fn exchange(
    client: &reqwest::Client,
    request: HttpRequest,
    bounds: HttpBounds,
) -> Result<HttpResponse, HttpError> {
    match tokio::time::timeout(bounds.time, send_and_read(client, request, bounds.response_bytes)).await {
        Ok(answer) => answer,
        Err(_) => Err(HttpError::TimedOut { limit: bounds.time }),
    }
}

async fn send_and_read(
    client: &reqwest::Client,
    mut request: HttpRequest,
    limit_bytes: u64,
) -> Result<HttpResponse, HttpError> {
    let may_decode = asks_for_gzip(&mut request);
    let mut outgoing = reqwest::Request::new(request.method, request.url);
    *outgoing.headers_mut() = request.headers;
    if !request.body.is_empty() {
        *outgoing.body_mut() = Some(request.body.into());
    }
    let mut response = client.execute(outgoing).await.map_err(failure)?;
    let mut body = if may_decode && is_gzip(response.headers()) {
        BodyReader::gzip(limit_bytes)
    } else {
        BodyReader::plain(limit_bytes)
    };
    if response.content_length().is_some_and(|length| length > limit_bytes) {
        return Err(HttpError::ResponseTooLarge { limit_bytes });
    }
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        body.push(&chunk)?;
    }
    let body = body.finish()?;
    Ok(HttpResponse {
        status: response.status().as_u16(),
        headers: headers(&response, body.decoded),
        body: body.bytes,
        received_bytes: body.received_bytes,
    })
}

/// Asks for compression unless the sender has its own wish, which it then decodes itself. Part of an encoded body
/// could not be decoded, and no body needs no encoding.
fn asks_for_gzip(request: &mut HttpRequest) -> bool {
    let headers = &mut request.headers;
    let asks = request.method != Method::HEAD && !headers.contains_key(ACCEPT_ENCODING) && !headers.contains_key(RANGE);
    if asks {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    asks
}

/// Whether gzip is the only encoding; `x-gzip` is another name for it (RFC 9110 §8.4.1.3).
fn is_gzip(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (Some(encoding), None) => [&b"gzip"[..], b"x-gzip"]
            .iter()
            .any(|gzip| encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(gzip)),
        _ => false,
    }
}

fn headers(response: &Response, decoded: bool) -> HeaderMap {
    let mut headers = response.headers().clone();
    for name in CONNECTION_HEADERS {
        headers.remove(name);
    }
    if decoded {
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    headers
}

/// Why there is no answer, by the types of what lies behind the error.
fn failure(error: reqwest::Error) -> HttpError {
    let reason = match find::<ResolveError>(&error) {
        Some(ResolveError::Refused) => return HttpError::AddressRefused,
        Some(ResolveError::Failed | ResolveError::Lookup(_)) => "cannot resolve",
        None if find::<rustls::Error>(&error).is_some() => "TLS",
        None if error.is_connect() => "cannot connect",
        None => "protocol",
    };
    HttpError::Failed { reason }
}

/// The first error of this type on the way to the root. What an [`io::Error`] wraps is not its source, so it is looked
/// into.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
