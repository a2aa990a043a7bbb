# SPDX-License-Identifier: Apache-2.0
"""What a TPM will measure of a kernel image is signed: what is bound to it opens for the next one, too."""

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from tests.vm.measuring import policy, signed
from tests.vm.releases import KEYS, built
from tests.vm.updating import NEXT
from tools import keys, uki
from tools.vm.image import Image

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def test_what_a_tpm_will_measure_is_signed_for_each_entry_of_the_menu(image: Image) -> None:
    kernel_image = built(NEXT, image) / "jepa-os.efi"
    certificate = load_pem_x509_certificate(keys.expected_pcr(KEYS).certificate.read_bytes())
    key = certificate.public_key()
    assert isinstance(key, RSAPublicKey)
    policies = set()
    for profile in uki.profiles(kernel_image):
        sections = uki.of_profile(kernel_image, profile)
        assert signed(sections, key) == [policy(sections)], "in the initrd, and at no other time"
        policies.add(policy(sections))
    assert len(policies) == len(uki.profiles(kernel_image))
