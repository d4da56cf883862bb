"""What the three services share: settings, who they are, problem documents, authentication, the frame of an app."""
