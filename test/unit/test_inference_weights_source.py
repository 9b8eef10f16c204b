"""Where weights come from, and that nothing is fetched, or kept, that was not asked for."""

from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
import urllib.response
from email.message import Message

import pytest

from pose_tracking_ros.inference.weights_source import _HttpsOnly, weights_path
from pose_tracking_ros.network.weights import WeightsError, shipped_weights
from pose_tracking_ros.settings import NetworkSettings

CONTENT = b'weights of some network'
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ADDRESS = f'https://models.example/lite.safetensors#sha256={SHA256}'


class PaperNet(urllib.request.BaseHandler):
    """Answers https from a table of addresses, and counts."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def https_open(self, request):
        self.asked.append(request.full_url)
        code, content, location = self.answers[request.full_url]
        headers = Message()
        if location:
            headers['Location'] = location
        response = urllib.response.addinfourl(io.BytesIO(content), headers, request.full_url, code)
        response.msg = ''
        return response


def opener_of(net):
    opener = urllib.request.OpenerDirector()
    for handler in (net, urllib.request.HTTPErrorProcessor(), _HttpsOnly()):
        opener.add_handler(handler)
    opener.add_handler(urllib.request.HTTPDefaultErrorHandler())
    return opener


@pytest.fixture
def find(tmp_path):
    """Resolve `weights` with a net of paper; `told` collects what is said."""

    def resolve(weights, net=None, allow_download=True, preset='lite'):
        settings = NetworkSettings(
            preset=preset,
            weights=weights,
            allow_download=allow_download,
            engine_cache=str(tmp_path / 'cache'),
        )
        return weights_path(settings, resolve.told.append, net and opener_of(net))

    resolve.told = []
    resolve.cache = tmp_path / 'cache'
    return resolve


def net_with(content=CONTENT, code=200, location=None):
    return PaperNet({ADDRESS.partition('#')[0]: (code, content, location)})


def test_shipped_ones_and_files(find, tmp_path):
    assert find('default') == shipped_weights('lite')
    assert find('lite') == shipped_weights('lite')
    assert find(str(tmp_path / 'own.safetensors')) == tmp_path / 'own.safetensors'
    with pytest.raises(WeightsError, match=r'expected default, a shipped one \(lite\).*lyte'):
        find('lyte')


def test_an_address_is_fetched_once(find):
    net = net_with()
    path = find(ADDRESS, net)
    assert path.read_bytes() == CONTENT
    assert find(ADDRESS, net, allow_download=False) == path
    assert net.asked == [ADDRESS.partition('#')[0]]
    assert 'fetching https://models.example' in find.told[0]
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_file_is_fetched_again(find):
    path = find(ADDRESS, net_with())
    path.write_bytes(CONTENT[:5])
    net = net_with()
    assert find(ADDRESS, net).read_bytes() == CONTENT
    assert len(net.asked) == 1


def test_nothing_is_fetched_unless_allowed(find):
    net = net_with()
    with pytest.raises(WeightsError, match='unless allow_download is true'):
        find(ADDRESS, net, allow_download=False)
    assert net.asked == []


@pytest.mark.parametrize(
    ('weights', 'words'),
    [
        (ADDRESS.replace('https', 'http'), 'expected an https address'),
        ('ftp://models.example/a.safetensors', 'expected an https address'),
        ('file:///etc/passwd', 'expected an https address'),
        (ADDRESS.partition('#')[0], 'expected the hash'),
        (ADDRESS[:-1], 'expected the hash'),
        (ADDRESS.replace('sha256', 'md5'), 'expected the hash'),
    ],
)
def test_other_addresses_are_refused(find, weights, words):
    net = net_with()
    with pytest.raises(WeightsError, match=words):
        find(weights, net)
    assert net.asked == []


@pytest.mark.parametrize(
    ('net', 'words'),
    [
        (net_with(b'something else'), 'expected contents with SHA-256'),
        (net_with(CONTENT[:-1]), 'changed or cut off'),
        (net_with(code=404), 'cannot be fetched: HTTP Error 404'),
        (net_with(code=302, location='http://models.example/x'), 'which is not https'),
    ],
)
def test_a_failed_download_leaves_nothing(find, net, words):
    with pytest.raises(WeightsError, match=words):
        find(ADDRESS, net)
    assert [path for path in find.cache.rglob('*') if path.is_file()] == []


def test_redirections_that_stay_encrypted_are_followed(find):
    net = net_with(code=302, location='https://other.example/lite')
    net.answers['https://other.example/lite'] = (200, CONTENT, None)
    assert find(ADDRESS, net).read_bytes() == CONTENT


def test_without_a_network_the_reason_is_told(find):
    class Down(PaperNet):
        def https_open(self, request):
            raise urllib.error.URLError('no route to host')

    with pytest.raises(WeightsError, match='cannot be fetched.*no route to host'):
        find(ADDRESS, Down({}))
