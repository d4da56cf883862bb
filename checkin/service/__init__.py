"""What the three services share: settings, identity, problem documents, authentication, the frame of an app."""
