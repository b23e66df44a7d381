//! What a browser without WebGPU is advised: each to what keeps it from it.

#[path = "../../src/bin/dashboard/web/advice.rs"]
mod page;

use page::{Browser, help};

const LINUX_FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const WINDOWS_FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0";
const LINUX_CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const WINDOWS_EDGE: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0";
const SAFARI: &str =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15";

#[test]
fn each_browser_has_its_own_advice() {
    let cases = [
        (LINUX_FIREFOX, false, "about:config"),
        (WINDOWS_FIREFOX, false, "version 141"),
        (LINUX_CHROME, true, "enable-unsafe-webgpu"),
        (WINDOWS_EDGE, true, "chrome://gpu"),
        (SAFARI, false, "version 26"),
        ("somebody else", false, "a current Chrome"),
    ];
    for (user_agent, has_webgpu, word) in cases {
        let text = help(Browser { user_agent, is_secure: true, has_webgpu });
        assert!(text.contains(word), "{user_agent}: {text}");
        let text = help(Browser { user_agent, is_secure: false, has_webgpu: false });
        assert!(text.contains("https://"), "{user_agent} on an insecure page: {text}");
    }
}
