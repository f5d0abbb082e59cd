"""Official annotations -> canonical rows under the data root; one file per benchmark."""
