//! HTTP: the manifest says where to, the operator agrees, the host makes sure.

use std::time::Duration;

use palisade_sdk::host::HttpResponse;
use palisade_sdk::serde_json::Value;
use palisade_sdk::{Host, Reject, data, plugin};

/// How long a server may take. Short: somebody waits for the command.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fetches.
#[derive(Default)]
pub struct Fetcher;

/// What `fetch` takes.
#[data]
pub struct Address {
    /// The whole URL.
    pub url: String,
}

/// What `fetch` answers.
#[data]
#[derive(Debug, PartialEq)]
pub struct Page {
    /// The status code, which may tell of an error.
    pub status: u16,
    /// What the server calls its content.
    pub content_type: Option<String>,
    /// The content.
    pub text: String,
}

/// What `pick` takes.
#[data]
pub struct Pick {
    /// The whole URL of a JSON document.
    pub url: String,
    /// A JSON pointer (RFC 6901), such as `/items/0/name`.
    pub pointer: String,
}

#[plugin]
impl Fetcher {
    /// Fetches a text.
    #[command(idempotent)]
    pub fn fetch(&self, host: &Host, address: Address) -> Result<Page, Reject> {
        let response = get(host, address.url)?;
        Ok(Page {
            status: response.status(),
            content_type: response.header("content-type").map(str::to_owned),
            text: response.text()?.to_owned(),
        })
    }

    /// Fetches a JSON document and answers with one value of it.
    #[command(idempotent)]
    pub fn pick(&self, host: &Host, pick: Pick) -> Result<Value, Reject> {
        let response = get(host, pick.url)?.error_for_status()?;
        let document: Value = response.json()?;
        let value = document.pointer(&pick.pointer);
        value
            .cloned()
            .ok_or_else(|| Reject::new("NO_SUCH_VALUE", format!("nothing is at `{}`", pick.pointer)))
    }
}

fn get(host: &Host, url: String) -> Result<HttpResponse, Reject> {
    Ok(host.http().get(url).timeout(PATIENCE).follow_redirects().send()?)
}

#[cfg(test)]
mod tests {
    use palisade_sdk::fake::Response;
    use palisade_sdk::{HostError, json};

    use super::*;

    const URL: &str = "http://127.0.0.1:8080/menu";

    fn host(response: Response) -> Host {
        Host::fake()
            .with_permissions(["network:http"])
            .with_http("GET", URL, response)
    }

    fn fetch(response: Response) -> Result<Page, Reject> {
        Fetcher.fetch(&host(response), Address { url: URL.into() })
    }

    fn pick(response: Response, pointer: &str) -> Result<Value, Reject> {
        let pointer = pointer.to_owned();
        Fetcher.pick(
            &host(response),
            Pick {
                url: URL.into(),
                pointer,
            },
        )
    }

    #[test]
    fn fetches_a_text_with_its_status() {
        let response = Response::new(404)
            .with_header("content-type", "text/plain")
            .with_body("no tea");
        let page = fetch(response).unwrap();
        assert_eq!(
            (page.status, page.content_type.as_deref(), page.text.as_str()),
            (404, Some("text/plain"), "no tea")
        );
        assert_eq!(
            fetch(Response::new(200).with_body(b"\xff")).unwrap_err().code,
            "UNEXPECTED_DATA"
        );
    }

    #[test]
    fn picks_one_value_of_a_document() {
        let menu = || Response::new(200).with_json(json!({"teas": ["green", "black"]}));
        assert_eq!(pick(menu(), "/teas/1"), Ok(json!("black")));
        assert_eq!(pick(menu(), "/teas/2").unwrap_err().code, "NO_SUCH_VALUE");
        assert_eq!(pick(Response::new(500), "/teas").unwrap_err().code, "HTTP_STATUS");
    }

    #[test]
    fn says_why_there_is_no_answer() {
        let slow = Response::error(HostError::new("NETWORK_TIMEOUT", "not done after 5000 ms"));
        assert_eq!(fetch(slow).unwrap_err().code, "NETWORK_TIMEOUT");
        let elsewhere = Address {
            url: "https://example.com/".into(),
        };
        let refused = Fetcher.fetch(&host(Response::new(200)), elsewhere);
        assert_eq!(refused.unwrap_err().code, "PERMISSION_DENIED");
    }
}
