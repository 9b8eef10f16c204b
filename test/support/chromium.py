"""Opens a page in headless Chromium and tells what became of its pictures."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')

# Appended to a copy of the page. `painted` counts the pixels of each picture that are not empty.
_PROBE = """
<script>
addEventListener('load', () => {
  const pictures = [...document.images].map((image) => {
    const canvas = document.createElement('canvas');
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    let painted = 0;
    if (image.naturalWidth > 0) {
      const context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
      for (let i = 3; i < pixels.length; i += 4) painted += pixels[i] > 0;
    }
    return [image.alt, image.naturalWidth, image.naturalHeight, painted];
  });
  document.body.dataset.pictures = JSON.stringify(pictures);
});
</script>
"""
_QUIET = (
    '--headless',
    # Chromium refuses its sandbox to root, as whom containers run tests.
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-default-apps',
    '--disable-sync',
    '--no-first-run',
    '--no-pings',
    '--enable-logging=stderr',
    '--v=0',
)


@dataclass(frozen=True)
class Page:
    """What Chromium made of a page.

    Attributes:
        pictures: alternative text, natural width and height, painted pixels of each.
        console: lines of its console.
        requests: addresses that it asked the network for.
    """

    pictures: list
    console: list
    requests: list


def find_chromium():
    """Return Chromium's path, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def open_page(chromium, html, folder):
    """Load HTML text as a file."""
    page, log = folder / 'probed.html', folder / 'network.json'
    page.write_text(html.replace('</body>', f'{_PROBE}</body>'), encoding='utf-8')
    done = subprocess.run(
        [
            chromium,
            *_QUIET,
            f'--user-data-dir={folder / "profile"}',
            f'--log-net-log={log}',
            '--virtual-time-budget=10000',
            '--dump-dom',
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'data-pictures="([^"]*)"', done.stdout)
    assert found, f'the page did not finish loading: {done.stderr[-2000:]}'
    return Page(
        pictures=json.loads(found[1].replace('&quot;', '"').replace('&amp;', '&')),
        console=[line for line in done.stderr.splitlines() if ':CONSOLE' in line],
        requests=_requests(json.loads(log.read_text())),
    )


def _requests(log):
    """Return what the page asked for; Chromium itself asks for updates and the like."""
    asked = [event.get('params', {}) for event in log['events']]
    return sorted(
        {
            params['url']
            for params in asked
            if re.match('https?:|wss?:', params.get('url', ''))
            and 'file://' in params.get('network_isolation_key', '')
        }
    )
