"""Gets a certificate for DOMAIN and renews it: what runs in certbot's container."""
