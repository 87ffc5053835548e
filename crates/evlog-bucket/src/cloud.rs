//! Reaches object stores through `object_store`: S3 and its like, Google Cloud Storage, Azure, a directory. The only module that
//! is asynchronous: a small runtime lives here, and each call blocks.

use crate::bucket_fs::BucketFs;
use crate::create::Options;
use crate::store::{Fault, Store};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig, UpdateVersion};
// Only for its feature `rustls-no-provider`, which gives the clients of `object_store` TLS.
use reqwest as _;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Why a URL cannot be opened. Nothing was sent.
#[derive(Debug)]
pub struct OpenUrlError {
    url: String,
    why: String,
}

impl fmt::Display for OpenUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use `{}`: {}", self.url, self.why)
    }
}

impl std::error::Error for OpenUrlError {}

/// The log at `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `file:///directory`. Nothing is asked yet.
/// Credentials, region and endpoint come from the environment, and for S3 from `settings`, which are named as there. What
/// the environment has is preferred.
pub fn open(
    url: &str,
    options: Options,
    settings: &[(String, String)],
) -> Result<Arc<dyn evlog_store::Fs>, OpenUrlError> {
    let store = open_store(url, settings)?;
    Ok(Arc::new(BucketFs::new(Arc::from(store), Path::new(url), options)))
}

/// The store below a URL, as [`open`] reaches it.
pub fn open_store(url: &str, settings: &[(String, String)]) -> Result<Box<dyn Store>, OpenUrlError> {
    let refuse = |why: String| OpenUrlError { url: url.to_string(), why };
    let (scheme, rest) = url.split_once("://").ok_or_else(|| refuse(FORMS.into()))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_bucket = !bucket.is_empty() && !bucket.contains(['@', '?', '#', ':']);
    if scheme != "file" && !is_bucket {
        return Err(refuse(format!("expected the name of a bucket after `{scheme}://`, found `{bucket}`")));
    }
    let retries_off = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    // The first provider of this process counts, whoever installs it.
    rustls::crypto::ring::default_provider().install_default().ok();
    let built: Result<Arc<dyn ObjectStore>, Error> = match scheme {
        "s3" => {
            let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retries_off);
            builder = with_settings(builder, settings).map_err(|error| refuse(error.to_string()))?;
            let of_s3 = builder.get_config_value(&AmazonS3ConfigKey::S3Endpoint);
            let endpoint = of_s3.or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
            let allowed =
                builder.get_config_value(&AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp));
            let is_allowed = allowed.is_some_and(|allowed| allowed.eq_ignore_ascii_case("true"));
            let http = endpoint.as_deref().and_then(|endpoint| endpoint.strip_prefix("http://"));
            if let Some(host) = http.filter(|host| !is_allowed && !is_loopback(host)) {
                return Err(refuse(format!(
                    "the endpoint `{host}` would be reached by plain HTTP, which others can read and change. Use `https://`, \
                     or set `AWS_ALLOW_HTTP=true`"
                )));
            }
            builder.with_allow_http(http.is_some()).build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
        }
        "gs" => GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(bucket)
            .with_retry(retries_off)
            .build()
            .map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
        "az" => MicrosoftAzureBuilder::from_env()
            .with_container_name(bucket)
            .with_retry(retries_off)
            .build()
            .map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
        "file" if bucket.is_empty() && !prefix.is_empty() => Ok(Arc::new(LocalFileSystem::new().with_fsync(true))),
        "file" => return Err(refuse("expected an absolute directory: `file:///directory`".into())),
        other => return Err(refuse(format!("`{other}` is no kind of store that evlog knows. {FORMS}"))),
    };
    let store = built.map_err(|error| refuse(without_queries(&chain(&error))))?;
    let prefix = Key::parse(prefix.trim_end_matches('/')).map_err(|error| refuse(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| refuse(format!("cannot start threads for requests: {error}")))?;
    Ok(Box::new(Cloud { store, prefix, runtime, name: url.to_string() }))
}

/// Adds what the environment does not have. A key, its secret and its token belong together.
fn with_settings(mut builder: AmazonS3Builder, settings: &[(String, String)]) -> Result<AmazonS3Builder, Error> {
    use AmazonS3ConfigKey::{AccessKeyId, SecretAccessKey, Token, WebIdentityTokenFile};
    let has = |builder: &AmazonS3Builder, key| builder.get_config_value(&key).is_some();
    let has_credentials = has(&builder, AccessKeyId) || has(&builder, WebIdentityTokenFile);
    for (name, value) in settings {
        let key: AmazonS3ConfigKey = name.to_ascii_lowercase().parse()?;
        let is_credential = matches!(key, AccessKeyId | SecretAccessKey | Token);
        if if is_credential { !has_credentials } else { !has(&builder, key) } {
            builder = builder.with_config(key, value);
        }
    }
    Ok(builder)
}

const FORMS: &str =
    "Expected `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `file:///directory`";

fn is_loopback(host: &str) -> bool {
    let host = host.split('/').next().unwrap_or(host);
    let name = host.strip_prefix('[').and_then(|host| host.split(']').next());
    let name = name.unwrap_or_else(|| host.split(':').next().unwrap_or(host));
    name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

struct Cloud {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    runtime: Runtime,
    name: String,
}

impl fmt::Debug for Cloud {
    // The store's own form may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("url", &self.name).finish_non_exhaustive()
    }
}

impl Cloud {
    fn key(&self, name: &str) -> Key {
        let mut key = self.prefix.clone();
        name.split('/').filter(|part| !part.is_empty()).for_each(|part| key = key.clone().join(part));
        key
    }
}

async fn get(store: Arc<dyn ObjectStore>, key: Key, len_max: u64) -> Result<Vec<u8>, Fault> {
    let found = store.get(&key).await.map_err(|error| fault(&error))?;
    if found.meta.size > len_max {
        return Err(Fault::Refused(format!(
            "the object has {} bytes, and at most {len_max} are read",
            found.meta.size
        )));
    }
    found.bytes().await.map(|bytes| bytes.to_vec()).map_err(|error| fault(&error))
}

impl Store for Cloud {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let (key, payload) = (self.key(name), PutPayload::from(bytes.to_vec()));
        let put = self.runtime.block_on(self.store.put_opts(&key, payload, options));
        put.map(drop).map_err(|error| fault(&error))
    }

    fn get(&self, name: &str, len_max: u64) -> Result<Vec<u8>, Fault> {
        self.runtime.block_on(get(Arc::clone(&self.store), self.key(name), len_max))
    }

    fn get_all(&self, names: &[String], len_max: u64) -> Vec<Result<Vec<u8>, Fault>> {
        let ask = |name: &String| self.runtime.spawn(get(Arc::clone(&self.store), self.key(name), len_max));
        let asked: Vec<_> = names.iter().map(ask).collect();
        let lost = |error: tokio::task::JoinError| Err(Fault::Unclear(error.to_string()));
        asked.into_iter().map(|task| self.runtime.block_on(task).unwrap_or_else(lost)).collect()
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, Fault> {
        let part = self.runtime.block_on(self.store.get_range(&self.key(name), range));
        part.map(|bytes| bytes.to_vec()).map_err(|error| fault(&error))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Fault> {
        let key = self.key(folder);
        let listed =
            self.runtime.block_on(self.store.list_with_delimiter(Some(&key))).map_err(|error| fault(&error))?;
        let found = listed.objects.iter().map(|object| &object.location).chain(&listed.common_prefixes);
        let within = |key: &Key| key.filename().map(|name| format!("{folder}{name}"));
        let mut names: Vec<String> = found.filter_map(within).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn put_if_match(&self, name: &str, bytes: &[u8], tag: &str) -> Result<String, Fault> {
        let version = UpdateVersion { e_tag: Some(tag.to_string()), version: None };
        let options = PutOptions { mode: PutMode::Update(version), ..PutOptions::default() };
        let (key, payload) = (self.key(name), PutPayload::from(bytes.to_vec()));
        let put = self.runtime.block_on(self.store.put_opts(&key, payload, options)).map_err(|error| fault(&error))?;
        put.e_tag.ok_or_else(|| Fault::Unsupported("tags of objects".into()))
    }

    fn head(&self, name: &str) -> Result<(u64, String), Fault> {
        let found = self.runtime.block_on(self.store.head(&self.key(name))).map_err(|error| fault(&error))?;
        Ok((found.size, found.e_tag.unwrap_or_default()))
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        match self.runtime.block_on(self.store.delete(&self.key(name))).map_err(|error| fault(&error)) {
            Err(Fault::Absent) => Ok(()),
            done => done,
        }
    }
}

/// An error with its sources, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(source) = next {
        let said = source.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = source.source();
    }
    text
}

/// What a URL has after `?` can be a signature.
fn without_queries(text: &str) -> String {
    let shown = |word: &str| word.split_once('?').filter(|_| word.contains("://")).map(|(url, _)| format!("{url}?…"));
    text.split(' ').map(|word| shown(word).unwrap_or_else(|| word.to_string())).collect::<Vec<_>>().join(" ")
}

/// What stores say, and a sentence for it.
const SENTENCES: &[(&str, &str)] = &[
    ("RequestTimeTooSkewed", "the clock of this computer differs too much from the store's; set it right"),
    ("ExpiredToken", "the token in the credentials has expired; get a new one"),
    ("TokenRefreshRequired", "the token in the credentials has expired; get a new one"),
    ("InvalidAccessKeyId", "the store does not know this access key; check the credentials"),
    ("SignatureDoesNotMatch", "the signature is wrong; check the secret key"),
    ("AuthorizationHeaderMalformed", "the bucket is in another region; set `AWS_REGION`"),
    ("PermanentRedirect", "the bucket is in another region; set `AWS_REGION` or `AWS_ENDPOINT_URL`"),
    ("NoSuchBucket", "there is no such bucket; check its name, or create it"),
    ("ContainerNotFound", "there is no such container; check its name, or create it"),
];

fn fault(error: &Error) -> Fault {
    let text = without_queries(&chain(error));
    if let Some((_, sentence)) = SENTENCES.iter().find(|(said, _)| text.contains(said)) {
        return Fault::Refused((*sentence).to_string());
    }
    match error {
        Error::NotFound { .. } => Fault::Absent,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => Fault::Condition,
        Error::PermissionDenied { .. } => Fault::Refused(
            "the store refuses access (403). Without the permission to list, it also answers so for an object that is not \
             there: evlog needs to get, put and list"
                .into(),
        ),
        Error::Unauthenticated { .. } => {
            Fault::Refused("the store does not accept these credentials (401); check them".into())
        }
        Error::NotSupported { .. } | Error::NotImplemented { .. } => Fault::Unsupported(text),
        _ if is_refusal(&text) => Fault::Refused(text),
        _ => Fault::Unclear(text),
    }
}

/// Whether the text of an error has a status that says that the request was wrong, so that it was not done.
fn is_refusal(text: &str) -> bool {
    let status = text.split_once("status code: ").map(|(_, status)| &status[..status.len().min(3)]);
    status.is_some_and(|status| matches!(status, "301" | "307" | "400" | "405" | "411" | "413" | "501"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_computer_are_loopback() {
        for host in ["127.8.8.8:5000", "127.8.8.8", "[::1]:9000/path"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["10.0.0.1:5000", "127.8.8.8.example.com", "store.example.com"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn what_a_url_says_after_its_path_is_never_shown() {
        let said = without_queries("Error performing GET https://store.example/a?sig=secret in 1ms - status code: 403");
        assert_eq!(said, "Error performing GET https://store.example/a?… in 1ms - status code: 403");
    }

    #[test]
    fn a_failure_that_the_store_explains_is_definite_and_has_its_sentence() {
        let error = |text: &str| Error::Generic { store: "S3", source: text.to_string().into() };
        let definite =
            ["RequestTimeTooSkewed", "ExpiredToken", "PermanentRedirect", "NoSuchBucket", "status code: 400 Bad"];
        for text in definite {
            assert!(matches!(fault(&error(text)), Fault::Refused(_)), "{text}");
        }
        for text in
            ["status code: 503 Slow Down", "status code: 429 Too Many", "operation timed out", "status code: 408"]
        {
            assert!(matches!(fault(&error(text)), Fault::Unclear(_)), "{text}");
        }
    }
}
