"""The cloud site's object storage: Google Cloud Storage's interface, served by an emulator."""
