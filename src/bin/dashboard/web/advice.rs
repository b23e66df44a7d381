//! What helps a browser that cannot train on its GPU, in a sentence: browsers differ in what keeps them from it.

/// The browser, as far as it says.
#[derive(Clone, Copy, Debug)]
pub struct Browser<'a> {
    /// How it introduces itself to servers.
    pub user_agent: &'a str,
    /// Whether the page came over https, or from this machine: others have no WebGPU.
    pub is_secure: bool,
    /// Whether it has WebGPU at all, with an adapter or without.
    pub has_webgpu: bool,
}

/// What to do for WebGPU, which is much faster than the processor.
pub fn help(browser: Browser) -> &'static str {
    let Browser { user_agent, is_secure, has_webgpu } = browser;
    let is = |word: &str| user_agent.contains(word);
    let is_linux = is("Linux") && !is("Android");
    // Edge and Chrome call themselves Safari too, and Edge also Chrome.
    if !is_secure {
        "Browsers give WebGPU, which is much faster, to secure pages alone: open this one over https:// or from localhost"
    } else if is("Firefox/") && is_linux {
        "WebGPU is much faster: Firefox on Linux has it in Nightly, or with dom.webgpu.enabled in about:config; Chrome and Edge have it too"
    } else if is("Firefox/") {
        "WebGPU is much faster: Firefox has it from version 141 on Windows and 145 on macOS; Chrome and Edge have it too"
    } else if is_linux && (is("Chrome/") || is("Edg/")) {
        "WebGPU is much faster: on Linux turn chrome://flags/#enable-unsafe-webgpu and #enable-vulkan on, and start the browser again"
    } else if is("Chrome/") && has_webgpu {
        "WebGPU is much faster, and this browser has it but found no GPU: chrome://gpu says why; hardware acceleration may be off in its settings"
    } else if is("Chrome/") {
        "WebGPU is much faster: Chrome and Edge have it from version 113 on, on Android from 121 on"
    } else if is("Safari/") {
        "WebGPU is much faster: Safari has it from version 26 on (macOS Tahoe, iOS 26)"
    } else {
        "WebGPU is much faster: a current Chrome, Edge or Safari has it, Firefox on Windows and macOS too"
    }
}
