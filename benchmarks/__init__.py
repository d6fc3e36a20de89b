"""Protocols, metrics, statistics and reports: what synthetic faces do to recognition."""
