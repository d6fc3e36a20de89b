"""Networks that judge synthetic faces, and that had no part in making them.

Recogniser B tells people apart, a reader tells attributes and ages, a small autoencoder tells faces by their
looks. They learn from one half of the identities (and of the photos of nobody known); what labels faces for a
generator learns from the other half. B is of another architecture than the bundled embedder, learns from
labels alone, and is never distilled from it or from its teacher.
"""
