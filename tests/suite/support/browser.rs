//! A real Chromium with the screen of a phone, controlled by its driver.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use super::process::free_address;

/// Longest wait for the browser to start, or for a page to show something.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The screen, in points.
const WIDTH: u32 = 390;
const HEIGHT: u32 = 844;
/// The variable that names a folder for pictures of the pages.
const PICTURES: &str = "SECKILL_TEST_PICTURES";

/// A phone; its driver ends with it.
pub struct Phone {
    client: Client,
    site: String,
    _driver: Driver,
}

/// `chromedriver`, which starts the browser and ends it.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Phone {
    /// A phone that shows the pages of one server.
    pub async fn start(server: SocketAddr) -> Self {
        let port = free_address().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let driver = Driver(driver.expect("chromedriver starts: see `make test-browser`"));
        let driver_url = format!("http://127.0.0.1:{port}");
        let deadline = Instant::now() + TIMEOUT;
        while reqwest::get(format!("{driver_url}/status")).await.is_err() {
            assert!(Instant::now() < deadline, "chromedriver is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities());
        let client = builder.connect(&driver_url).await;
        Self {
            client: client.expect("a browser"),
            site: format!("http://{server}/wechat/"),
            _driver: driver,
        }
    }

    /// Opens a page of the office, which must fit the screen.
    pub async fn open(&self, page: &str) {
        let url = format!("{}{page}", self.site);
        self.client.goto(&url).await.expect("the page opens");
        self.fits().await;
    }

    /// An element, as soon as it is there.
    pub async fn element(&self, css: &str) -> Element {
        let wait = self.client.wait().at_most(TIMEOUT);
        wait.for_element(Locator::Css(css)).await.expect(css)
    }

    /// True when there is such an element.
    pub async fn has(&self, css: &str) -> bool {
        let found = self.client.find_all(Locator::Css(css)).await;
        !found.expect("an answer").is_empty()
    }

    /// Waits until an element shows a text.
    pub async fn shows(&self, css: &str, text: &str) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            // In one step: the page may be left between finding an element and reading it.
            let script = format!("return document.querySelector('{css}')?.innerText");
            let shown = self.ask(&script).await;
            if shown.as_str().is_some_and(|shown| shown.contains(text)) {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{css} shows {shown:?}, not {text:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.fits().await;
    }

    /// Types into a field, as a hand-held scanner does.
    pub async fn type_into(&self, css: &str, text: &str) {
        let typed = self.element(css).await.send_keys(text).await;
        typed.expect("it takes text");
    }

    pub async fn click(&self, css: &str) {
        let clicked = self.element(css).await.click().await;
        clicked.expect("it can be clicked");
    }

    /// Runs a script in the page.
    pub async fn ask(&self, script: &str) -> Value {
        let answer = self.client.execute(script, Vec::new()).await;
        answer.expect("an answer")
    }

    /// Our style sheet came, and nothing is wider than the screen.
    async fn fits(&self) {
        let width = self
            .ask("return document.documentElement.scrollWidth")
            .await;
        let url = self.client.current_url().await.expect("an address");
        assert!(
            width.as_u64() <= Some(u64::from(WIDTH)),
            "{url} is {width} points wide"
        );
        let padding = self.ask("return getComputedStyle(document.querySelector('main')).padding");
        assert_eq!(padding.await, "16px", "{url} has no style");
    }

    /// Keeps a picture of the screen, if a folder is set.
    pub async fn picture(&self, name: &str) {
        let Ok(folder) = std::env::var(PICTURES) else {
            return;
        };
        let picture = self.client.screenshot().await.expect("a picture");
        let path = std::path::Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(path, picture).expect("written");
    }

    /// What a scanner reads from an element.
    pub async fn scan(&self, css: &str) -> String {
        let picture = self.element(css).await.screenshot().await;
        read_code(&picture.expect("a picture"))
    }

    pub async fn close(self) {
        self.client.close().await.expect("closed");
    }
}

fn capabilities() -> Capabilities {
    let mut arguments = vec!["--headless=new", "--disable-gpu", "--disable-dev-shm-usage"];
    // Chromium refuses to put root into its sandbox.
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if is_root {
        arguments.push("--no-sandbox");
    }
    let screen = json!({ "width": WIDTH, "height": HEIGHT, "pixelRatio": 2.0 });
    let options = json!({ "args": arguments, "mobileEmulation": { "deviceMetrics": screen } });
    Capabilities::from_iter([("goog:chromeOptions".to_owned(), options)])
}

/// The text of the one QR code in a PNG.
fn read_code(png: &[u8]) -> String {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("it fits")];
    let info = reader.next_frame(&mut pixels).expect("a picture");
    let samples = info.color_type.samples();
    let (width, height) = (info.width as usize, info.height as usize);
    let grey = |x: usize, y: usize| pixels[y * info.line_size + x * samples];
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
    let codes = image.detect_grids();
    assert_eq!(codes.len(), 1, "one code");
    codes[0].decode().expect("a readable code").1
}
